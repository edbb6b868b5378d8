import { z } from "zod";
import { nodeKind } from "./nodes.ts";
import { explainRecord } from "./explain.ts";
import { deploymentSpec } from "./deployments.ts";
import { objectName, versionNumber } from "./common.ts";

/** A dry run of one deployment on the fleet as it is now. */
export const planRequest = z.strictObject({ deployment: deploymentSpec });

const change = z.object({ placementId: z.string(), node: z.string(), version: versionNumber, why: z.string() });

/** What would be placed, tried again and retired. Nothing was applied. */
export const planResponse = z
  .object({
    deployment: objectName,
    /** `create`: there is no such deployment yet; `update`: its spec would change; `none`: it is declared like this already. */
    spec: z.enum(["create", "update", "none"]),
    /** Whether applying it would change anything, now. */
    changes: z.boolean(),
    /** Null while the alias does not exist. */
    targetVersion: versionNumber.nullable(),
    wanted: z.object({ edge: z.number().int(), cloud: z.number().int() }),
    create: z.array(z.object({ node: z.string(), kind: nodeKind, version: versionNumber, why: z.string() })),
    retry: z.array(change),
    retire: z.array(change),
    /** One sentence for every replica that could not be placed. */
    unplaced: z.array(z.string()),
    records: z.array(explainRecord),
  })
  .meta({ id: "Plan" });
export type PlanResponse = z.infer<typeof planResponse>;
