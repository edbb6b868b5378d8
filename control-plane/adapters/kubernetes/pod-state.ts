import { z } from "zod";
import type { PoolPod } from "../../ports/cloud/cloud-pool.ts";

const terminated = z.object({ reason: z.string().optional(), message: z.string().optional() }).optional();
const waiting = z.object({ reason: z.string().optional(), message: z.string().optional() }).optional();

/** What is read of a pod. */
export const podShape = z.object({
  metadata: z.object({
    name: z.string(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.object({ nodeName: z.string().optional() }).optional(),
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

/** What is read of a pod to know whether it is one still. */
export const lifeShape = z.object({
  metadata: z.object({ deletionTimestamp: z.string().optional() }),
  status: z.object({ phase: z.string().optional() }).optional(),
});
type Life = z.infer<typeof lifeShape>;

/** For so long after its grace the machine of a pod may take to say that it is gone, in ms. Its token is valid as long. */
const GONE_AFTER_MS = 60_000;

/** Reasons of a container that waits in the ordinary course of a start. */
const STARTING = new Set(["ContainerCreating", "PodInitializing"]);
const MAX_CHARACTERS = 300;

/** Whether the cluster will never run it again: evicted, preempted, ended. Another pod of another name replaces it. */
export const isOver = ({ status }: Life): boolean => status?.phase === "Failed" || status?.phase === "Succeeded";

/**
 * Whether nothing of the pod comes back, though the cluster lists it still: it is over, or its grace is, and its machine, which
 * alone can say so, is not heard of. `now`: ms since 1970.
 */
export const isGone = (pod: Life, now: number): boolean =>
  isOver(pod) || now - Date.parse(pod.metadata.deletionTimestamp ?? "") > GONE_AFTER_MS;

/**
 * The machine of a pod whose containers were ready while the pod is not: so the cluster marks the pods of a machine that it
 * does not hear of. Undefined: nothing of the kind.
 */
export function silentMachineOf({ spec, status }: Pod): string | undefined {
  const is = (wanted: string): string | undefined => status?.conditions?.find(({ type }) => type === wanted)?.status;
  return is("Ready") === "False" && is("ContainersReady") === "True" ? spec?.nodeName : undefined;
}

/** A machine of the cluster. */
export const machineShape = z.object({
  status: z.object({
    conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() })).default([]),
  }),
});

/** What is the matter with a machine, for the pods on it; undefined: nothing. Null stands for one that was removed. */
export function machineTrouble(name: string, machine: z.infer<typeof machineShape> | null): string | undefined {
  if (machine === null) return `NodeNotReady: its machine ${name} was removed from the cluster`;
  const ready = machine.status.conditions.find(({ type }) => type === "Ready");
  return ready?.status === "True" ? undefined : words(`NodeNotReady: its machine ${name}`, ready?.message);
}

/** A pod as a pool sees it. */
export function poolPodOf(pod: Pod): PoolPod {
  const { metadata, status = {} } = pod;
  const { name, creationTimestamp, deletionTimestamp } = metadata;
  const createdAt = Date.parse(creationTimestamp);
  const trouble = troubleOf(status);
  if (deletionTimestamp !== undefined) return { name, state: "ending", trouble, createdAt };
  if (isOver(pod)) return { name, state: "failed", trouble, createdAt };
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
  // Told to go, and by what: its machine is not heard of, a drain of the machine, a pod of a higher priority.
  const disrupted = conditions.find(({ type, status }) => type === "DisruptionTarget" && status === "True");
  if (disrupted) return words(disrupted.reason ?? "Disrupted", disrupted.message);
  const stuck = containerStatuses.find(isWaitingInTrouble);
  const killed = containerStatuses.find(({ lastState }) => lastState?.terminated?.reason === "OOMKilled");
  if (killed)
    return `OOMKilled: its container needed more memory than its limit and was restarted ${killed.restartCount} times`;
  return stuck && words(stuck.state?.waiting?.reason ?? "", stuck.state?.waiting?.message);
}

const words = (reason: string, message: string | undefined): string =>
  (message === undefined || message === "" ? reason : `${reason}: ${message}`).slice(0, MAX_CHARACTERS);
