import { z } from "zod";

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

export const cloudPool = poolFindings
  .extend({
    recordedAgeMs: z.number().describe("How long ago this was recorded, in ms; it is recorded when it differs."),
  })
  .meta({ id: "CloudPool" });
export type CloudPoolInfo = z.infer<typeof cloudPool>;
