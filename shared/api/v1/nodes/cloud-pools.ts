import { z } from "zod";
import { managedBy } from "../common.ts";

/**
 * pending   it does not run yet
 * joining   it runs and is no node yet
 * ready     it is a node and may serve
 * away      it is a node that does not answer
 * draining  its replicas move elsewhere; it goes when it is empty
 * ending    it has been told to go
 * failed    it has ended for good, evicted for instance; another replaces it
 */
export const poolPodState = z.enum(["pending", "joining", "ready", "away", "draining", "ending", "failed"]);
export type PoolPodState = z.infer<typeof poolPodState>;

/** What the leader of the control plane found of a pool; recorded, so that every replica shows the same. */
export const poolFindings = z.object({
  name: z.string(),
  min: z.number().int(),
  max: z.number().int(),
  wanted: z.number().int().describe("Pods that replicas and their load need, within `min` and `max`."),
  replicas: z.number().int().describe("Pods that are asked for."),
  ready: z.number().int(),
  pending: z.number().int().describe("Pods that are asked for and are no ready nodes yet."),
  trouble: z
    .string()
    .nullable()
    .describe("What keeps the pool from having its pods, in the words of the cluster; null: nothing."),
  pods: z.array(
    z.object({
      name: z.string().describe("Also the name of its node."),
      state: poolPodState,
      trouble: z.string().nullable().describe("Why it does not run, or what ended it last; null: nothing."),
    }),
  ),
});
export type PoolFindings = z.infer<typeof poolFindings>;

/** Names of pools and sites, and of what is in Kubernetes. */
const lowerCase = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "1–63 lower-case letters, digits and hyphens");
const MAX_PODS = 10_000;

/** A pool as an operator declares it. */
export const cloudPoolSpec = z
  .strictObject({
    name: lowerCase,
    namespace: lowerCase.describe("Of the Deployment: one of those whose pods may join (SKERRY_POD_SERVICE_ACCOUNTS)."),
    deployment: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, "1–63 lower-case letters, digits, `.` and `-`")
      .describe("The Kubernetes Deployment of nodes that is scaled. No other pool scales it."),
    min: z.number().int().min(0).max(MAX_PODS).default(0).describe("Pods that it has at least, without demand too."),
    max: z.number().int().min(0).max(MAX_PODS).describe("Pods that it has at most."),
    site: lowerCase
      .optional()
      .describe(
        "The site of its nodes, whose pods then have the label `skerry.dev/pool` with the pool's name. Default: SKERRY_POD_SITE.",
      ),
    priority: z
      .number()
      .int()
      .min(-1_000)
      .max(1_000)
      .default(0)
      .describe("Pools with more are filled first; of two with the same, the one whose name sorts first."),
  })
  .superRefine(({ min, max }, context) => {
    if (max < min) context.addIssue({ code: "custom", path: ["max"], message: "must not be below `min`" });
  })
  .meta({ id: "CloudPoolSpec" });
export type CloudPoolSpec = z.infer<typeof cloudPoolSpec>;

export const cloudPool = poolFindings
  .extend({
    namespace: z
      .string()
      .nullable()
      .describe("Of its Deployment; null: its nodes are processes beside the control plane."),
    deployment: z.string().nullable().describe("The Kubernetes Deployment that it scales; null: as `namespace`."),
    site: z.string().nullable().describe("The site of its nodes; null: SKERRY_POD_SITE of the control plane."),
    priority: z.number().int().describe("Pools with more are filled first."),
    managedBy: managedBy
      .or(z.literal("environment"))
      .optional()
      .describe(
        "`environment`: SKERRY_CLOUD_POOLS declares it, `kubernetes`: a CloudPool does. Then this API shows it and changes nothing. Absent: this API declares it.",
      ),
    recordedAgeMs: z
      .number()
      .nullable()
      .describe(
        "How long ago this was recorded, in ms; it is recorded when it differs. Null: nobody has looked at it yet.",
      ),
  })
  .meta({ id: "CloudPool" });
export type CloudPoolInfo = z.infer<typeof cloudPool>;
