import { z } from "zod";
import { instant, managedBy, objectName, versionNumber } from "../common.ts";
import { deploymentSpec } from "./deployment-spec.ts";

/** Kubernetes' conventions: CamelCase reasons, `status` as text. */
export const condition = z.object({
  type: z.enum(["Ready", "Progressing", "Stalled"]),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string(),
  message: z.string(),
});
export type Condition = z.infer<typeof condition>;

/** Reason of `Progressing` while replicas serve that do not hold a raised limit yet. */
export const LIMITS_CHANGING = "LimitsChanging";

export const replicaCounts = z.object({ wanted: z.number(), placed: z.number(), ready: z.number() });
export type ReplicaCounts = z.infer<typeof replicaCounts>;

/** What the leader of the control plane found when it planned; recorded, so that every replica shows the same. */
const scalingRecord = z.object({
  fellAt: instant.describe("When the number last fell, in the last 10 minutes or before the number that is kept."),
  keptUntil: instant
    .optional()
    .describe("Until when it does not fall, as it rose within 10 minutes after that. Absent: it may."),
});

export const deploymentFindings = z.object({
  conditions: z.array(condition),
  /** The version that answers requests. */
  activeVersion: versionNumber.nullable(),
  targetVersion: versionNumber.nullable(),
  edge: replicaCounts,
  cloud: replicaCounts,
  /** One sentence for every replica that could not be placed. */
  unplaced: z.array(z.string()),
  scaling: z
    .object({ edge: scalingRecord.optional(), cloud: scalingRecord.optional() })
    .optional()
    .describe("When numbers of replicas that follow demand fell, and until when they do not. Absent: they did not."),
});
export type DeploymentFindings = z.infer<typeof deploymentFindings>;

export const deployment = z
  .object({
    name: objectName,
    spec: deploymentSpec,
    generation: z.number().int(),
    createdAt: instant,
    managedBy: managedBy.optional(),
    status: deploymentFindings.extend({
      observedGeneration: z
        .number()
        .int()
        .describe("The generation that this status is about: below `generation` until the leader has planned for it."),
      recordedAgeMs: z
        .number()
        .nullable()
        .describe(
          "How long ago this status was recorded, in ms; it is recorded only when it differs. Null before the first.",
        ),
      /** Where an application sends its requests. */
      url: z.string(),
      /** How long ago the last of its placements changed state, in ms; null while it has none. */
      changedAgeMs: z.number().nullable(),
    }),
  })
  .meta({ id: "Deployment" });
export type Deployment = z.infer<typeof deployment>;

/** What of a deployment makes a change for those who watch it: all but ages, which differ each second. */
export const lastingDeployment = (of: Deployment): Deployment => ({
  ...of,
  status: { ...of.status, recordedAgeMs: null, changedAgeMs: null },
});

export const retryResponse = z
  .object({ retried: z.number().int().describe("How many failed placements begin a new attempt.") })
  .meta({ id: "RetryAnswer" });
