import { z } from "zod";
import { nodeKind, placeName } from "../nodes/nodes.ts";
import { rejection } from "./explain.ts";
import { deploymentSpec } from "./deployment-spec.ts";
import { replicaCounts } from "./deployments.ts";
import { labels, objectName, versionNumber } from "../common.ts";
import { NODE_NAME } from "../../../protocol/join-messages.ts";

/** Of each list in a question, so that its answer stays readable and its plan short. */
const MAX_CHANGES = 100;
const nodeName = z.string().regex(NODE_NAME, "the name of a node");
const nodeNames = z.array(nodeName).max(MAX_CHANGES).default([]);
const mebibytes = z.number().int().min(0).max(1_073_741_824);

/** What the planner reads of a node's abilities. */
const abilities = z
  .strictObject({
    memMiB: mebibytes,
    diskMiB: mebibytes,
    maxOpset: z.number().int().min(1).max(1_000),
    maxIrVersion: z.number().int().min(1).max(1_000),
    runtimes: z.array(z.string().min(1).max(32)).max(16),
    optionalInputs: z.boolean(),
  })
  .partial();

/** Without `like`: what a node cannot be planned for without. */
const NEEDED = ["memMiB", "diskMiB", "maxOpset", "maxIrVersion"] as const;

const addedNode = z
  .strictObject({
    name: nodeName,
    like: nodeName
      .optional()
      .describe("A node of the fleet: whatever is not given is as there. Its placements and its load are not copied."),
    kind: nodeKind.optional(),
    site: placeName.optional().describe("Default without `like`: `default`."),
    zone: placeName.optional().describe("Default without `like`: the site."),
    labels: labels.optional(),
    capabilities: abilities.default({}),
  })
  .superRefine(({ like, kind, capabilities }, context) => {
    if (like !== undefined) return;
    const missing = (path: string[]): void =>
      context.addIssue({ code: "custom", path, message: "is missing; or name a node that it is `like`" });
    if (kind === undefined) missing(["kind"]);
    for (const field of NEEDED) if (capabilities[field] === undefined) missing(["capabilities", field]);
  });
export type AddedNode = z.infer<typeof addedNode>;

const nodeLoad = z.strictObject({
  node: nodeName,
  cpuPct: z.number().min(0).max(100).optional(),
  diskFreeMiB: mebibytes.optional(),
  rttMs: z.number().min(0).max(600_000).optional(),
});
export type LoadedNode = z.infer<typeof nodeLoad>;

/** What is asked about: the fleet as it is, with these changes. Without any, what the planner would do now. */
export const planRequest = z
  .strictObject({
    deployments: z
      .strictObject({
        apply: z.array(deploymentSpec).max(MAX_CHANGES).default([]).describe("Specs as `PUT` takes them."),
        remove: z.array(objectName).max(MAX_CHANGES).default([]),
      })
      .default({ apply: [], remove: [] }),
    nodes: z
      .strictObject({
        add: z
          .array(addedNode)
          .max(MAX_CHANGES)
          .default([])
          .describe("Nodes that are connected and empty. The other lists may name them."),
        remove: nodeNames.describe("As `DELETE` of the node."),
        cordon: nodeNames,
        uncordon: nodeNames.describe("Ends a drain too."),
        drain: nodeNames,
        load: z.array(nodeLoad).max(MAX_CHANGES).default([]).describe("What the nodes report of their load."),
      })
      .default({ add: [], remove: [], cordon: [], uncordon: [], drain: [], load: [] }),
  })
  .meta({ id: "PlanQuestion" });
export type PlanRequest = z.infer<typeof planRequest>;

const plannedStep = z.object({
  round: z
    .number()
    .int()
    .describe("Steps of one round happen together; those of the next when the placements of this one are ready."),
  action: z.enum(["place", "retry", "remove"]),
  deployment: z.string().nullable().describe("Null: of a deployment that was deleted before."),
  model: objectName,
  version: versionNumber,
  node: z.string(),
  kind: nodeKind.nullable(),
  why: z.string(),
});
export type PlannedStep = z.infer<typeof plannedStep>;

const counts = z.object({ edge: replicaCounts, cloud: replicaCounts });

const plannedDeployment = z.object({
  deployment: objectName,
  spec: z
    .enum(["create", "update", "remove", "none"])
    .describe("What the question does to its spec. `none` too when it is declared like this already."),
  targetVersion: versionNumber.nullable().describe("Null while its alias does not exist."),
  before: counts.nullable().describe("As its status says; null when it has none."),
  after: counts,
  nodes: z.array(z.string()).describe("Those that would hold a replica that is ready, of any version."),
  unplaced: z.array(z.string()).describe("One sentence for every replica that would have no place."),
  refusals: z
    .array(rejection)
    .describe("With `unplaced`: every node of the kinds that lack a replica, and the first filter that refuses it."),
  refusalsLeftOut: z.number().int().describe("Refusals beyond the first 20,000 of the whole answer."),
});
export type PlannedDeployment = z.infer<typeof plannedDeployment>;

/** What would happen. Nothing was applied. */
export const planResponse = z
  .object({
    changes: z.boolean().describe("Whether a spec would change, or a step would be taken."),
    rounds: z.number().int().describe("The last round that has a step; 0 without any."),
    settled: z
      .boolean()
      .describe("Whether nothing would be left to do. `false`: the answer ends where its bound of rounds or time is."),
    steps: z.array(plannedStep),
    deployments: z.array(plannedDeployment),
  })
  .meta({ id: "Plan" });
export type PlanResponse = z.infer<typeof planResponse>;
