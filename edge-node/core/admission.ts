import type { ErrorCode } from "../../shared/errors.ts";

/**
 * Which requests a node takes, and which of those it still starts. A refusal is an answer at once: the router tries
 * another node with the time that is left.
 */

/** Requests that a placement holds for each that it runs. Longer queues only turn refusals into late answers. */
const HELD_PER_SLOT = 4;
/**
 * A queue that is worked off in this time delays nobody, however many it holds: a model of 50 µs with four requests in
 * flight would refuse the fifth for the sake of 0.2 ms.
 */
const SHORT_QUEUE_MS = 20;

export interface Refusal {
  readonly status: 403 | 404 | 429 | 503;
  readonly code: ErrorCode;
}

export interface QueueView {
  /** Requests accepted and not yet answered. */
  readonly rif: number;
  /** Requests that run at once. */
  readonly slots: number;
  /** Mean service time, queueing excluded. */
  readonly meanMs: number;
  /** Requests that may wait, whatever the model's speed. */
  readonly queueLimit: number;
}

/** Most requests that a placement holds at once, running and waiting. */
export function holdLimit({ slots, meanMs, queueLimit }: Omit<QueueView, "rif">): number {
  const short = Math.floor((slots * SHORT_QUEUE_MS) / Math.max(meanMs, 0.001));
  return Math.min(slots + queueLimit, Math.max(HELD_PER_SLOT * slots, short));
}

/** Why the node does not take a request; undefined when it does. `queue` is undefined for a placement that is not served here. */
export function refusalOf(
  request: { readonly edgeOnly: boolean },
  node: { readonly kind: "edge" | "cloud"; readonly isDraining: boolean },
  queue: QueueView | undefined,
): Refusal | undefined {
  if (request.edgeOnly && node.kind === "cloud") return { status: 403, code: "EDGE_ONLY" };
  if (node.isDraining) return { status: 503, code: "DRAINING" };
  if (queue === undefined) return { status: 404, code: "MODEL_NOT_READY" };
  if (queue.rif >= holdLimit(queue)) return { status: 429, code: "QUEUE_FULL" };
  return undefined;
}

/**
 * Whether a request that has waited for `waitedMs` is worth starting. One that did not wait always is: were it dropped
 * for a mean that one slow run spoiled, no run would ever mend the mean.
 */
export function isWorthStarting(request: {
  readonly waitedMs: number;
  readonly deadlineMs: number;
  readonly meanMs: number;
}): boolean {
  const { waitedMs, deadlineMs, meanMs } = request;
  return waitedMs === 0 ? deadlineMs > 0 : waitedMs <= deadlineMs - meanMs;
}
