import { z } from "zod";
import type { PoolPod } from "../../ports/cloud-pool.ts";

const terminated = z.object({ reason: z.string().optional(), message: z.string().optional() }).optional();
const waiting = z.object({ reason: z.string().optional(), message: z.string().optional() }).optional();

/** What is read of a pod. */
export const podShape = z.object({
  metadata: z.object({
    name: z.string(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
  }),
  status: z
    .object({
      phase: z.string().optional(),
      reason: z.string().optional(),
      message: z.string().optional(),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().optional(),
            message: z.string().optional(),
          }),
        )
        .optional(),
      containerStatuses: z
        .array(
          z.object({
            restartCount: z.number().default(0),
            state: z.object({ waiting, terminated }).optional(),
            lastState: z.object({ terminated }).optional(),
          }),
        )
        .optional(),
    })
    .optional(),
});
type Pod = z.infer<typeof podShape>;

/** Reasons of a container that waits in the ordinary course of a start. */
const STARTING = new Set(["ContainerCreating", "PodInitializing"]);
const MAX_CHARACTERS = 300;

/** A pod as a pool sees it. One that was evicted or has failed is replaced by the cluster, so it is about to go. */
export function poolPodOf({ metadata, status = {} }: Pod): PoolPod {
  const { name, creationTimestamp, deletionTimestamp } = metadata;
  const createdAt = Date.parse(creationTimestamp);
  const isOver = status.phase === "Failed" || status.phase === "Succeeded";
  const trouble = troubleOf(status);
  if (deletionTimestamp !== undefined || isOver) return { name, state: "ending", trouble, createdAt };
  const isHeldUp = status.containerStatuses?.some(isWaitingInTrouble) === true;
  const state = status.phase === "Running" && !isHeldUp ? "running" : "pending";
  return { name, state, trouble, createdAt };
}

type Status = NonNullable<Pod["status"]>;
type Container = NonNullable<Status["containerStatuses"]>[number];

const isWaitingInTrouble = ({ state }: Container): boolean =>
  state?.waiting?.reason !== undefined && !STARTING.has(state.waiting.reason);

/** In the cluster's own words: unschedulable, an image that cannot be had, killed for memory, evicted. */
function troubleOf({ phase, reason, message, conditions = [], containerStatuses = [] }: Status): string | undefined {
  if (phase === "Failed") return words(reason ?? "Failed", message);
  const unscheduled = conditions.find(({ type, status }) => type === "PodScheduled" && status === "False");
  if (unscheduled) return words(unscheduled.reason ?? "Unschedulable", unscheduled.message);
  const stuck = containerStatuses.find(isWaitingInTrouble);
  const killed = containerStatuses.find(({ lastState }) => lastState?.terminated?.reason === "OOMKilled");
  if (killed)
    return `OOMKilled: its container needed more memory than its limit and was restarted ${killed.restartCount} times`;
  return stuck && words(stuck.state?.waiting?.reason ?? "", stuck.state?.waiting?.message);
}

const words = (reason: string, message: string | undefined): string =>
  (message === undefined || message === "" ? reason : `${reason}: ${message}`).slice(0, MAX_CHARACTERS);
