import type { ErrorCode } from "../../shared/base/errors.ts";

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
/**
 * While a quick model runs one request, the next is already handed to its host: the hop costs up to 100 µs, and two
 * under way gave 2.1–3.4 times the answers of one (host-hop.bench.ts). A slower model would gain nothing, and a request
 * that was handed over can no longer be overtaken.
 */
const QUICK_RUN_MS = 2;
/** A model this slow gets its requests one at a time, even where they could share a run. */
const SLOW_RUN_MS = 50;
/**
 * Full runs that a batching host holds: the one that is on, and the one that gathers meanwhile. Requests can share a
 * run only where they lie together, so more are handed over than of a model that runs one by one.
 */
const RUNS_HELD = 2;

export interface Refusal {
  readonly status: 403 | 404 | 429 | 503;
  readonly code: ErrorCode;
}

export interface QueueView {
  /** Requests accepted and not yet answered. */
  readonly rif: number;
  /** Requests that run at once. */
  readonly slots: number;
  /** Mean service time, queueing excluded; of requests that share a run, each one's part. */
  readonly meanMs: number;
  /** Requests that may share a run; 1: each has its own. */
  readonly batch: number;
  /** Requests that may wait, whatever the model's speed. */
  readonly queueLimit: number;
}

/**
 * Most requests that a placement holds at once, running and waiting. One that batches takes two full runs while a lone
 * run is quick, because its mean falls only once they share.
 */
export function holdLimit({ slots, meanMs, batch, queueLimit }: Omit<QueueView, "rif">): number {
  const short = Math.floor((slots * SHORT_QUEUE_MS) / Math.max(meanMs, 0.001));
  const shared = batch > 1 && meanMs <= QUICK_RUN_MS ? RUNS_HELD * batch : 0;
  const most = Math.max(slots, shared) + queueLimit;
  return Math.min(most, Math.max(HELD_PER_SLOT * slots, short, shared));
}

/**
 * Most requests that the host itself holds. They can no longer be overtaken, and dropped only until they run, so they are never
 * more work than a short queue's, or no more than any placement holds where a shared run is worth a wait.
 */
export function handLimit({ slots, meanMs, batch }: Pick<QueueView, "slots" | "meanMs" | "batch">): number {
  if (batch === 1) return meanMs <= QUICK_RUN_MS ? slots + 1 : slots;
  const short = Math.floor((slots * SHORT_QUEUE_MS) / Math.max(meanMs, 0.001));
  const few = meanMs <= SLOW_RUN_MS ? HELD_PER_SLOT * slots : slots;
  return Math.max(few, Math.min(RUNS_HELD * batch, short));
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
 * Whether a request that has waited for `waitedMs` is worth handing over behind `ahead` others that the host has. One that
 * neither waited nor waits always is: were it dropped for a mean that one slow run spoiled, no run would ever mend the mean.
 */
export function isWorthStarting(request: {
  readonly waitedMs: number;
  readonly deadlineMs: number;
  readonly meanMs: number;
  readonly ahead: number;
}): boolean {
  const { waitedMs, deadlineMs, meanMs, ahead } = request;
  if (waitedMs === 0 && ahead === 0) return deadlineMs > 0;
  return waitedMs <= deadlineMs - (ahead + 1) * meanMs;
}
