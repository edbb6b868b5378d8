import type { ErrorCode } from "../../shared/base/errors.ts";

/**
 * Which requests a node takes, and which of those it still starts. A refusal is an answer at once: the router tries
 * another node with the time that is left.
 */

/**
 * The part of a request's time that the queue and its own run may take. The rest is for runs that are longer than the
 * mean, and for the way back: what is admitted to its last millisecond is answered too late to be of use.
 */
const USABLE_TIME = 0.8;
/** Requests that a slow model's host is handed at once where they may share a run. */
const HANDED_PER_SLOT = 4;
/** Work that is handed to the host at once, in ms, whatever the number of requests. */
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

/** A request that is handed over at once has waited for some µs by a real clock. */
const NO_WAIT_MS = 1;

export interface Refusal {
  readonly status: 403 | 404 | 429 | 503;
  readonly code: ErrorCode;
  /** Of a 429: what is used up. `time`: the request's own, by the requests before it. */
  readonly full?: "time" | "count" | "bytes";
}

export interface QueueView {
  /** Requests accepted and not yet answered. */
  readonly inFlight: number;
  /** Requests that wait or run: those whose caller is gone but that still run, too. */
  readonly ahead: number;
  /** Requests that run at once. */
  readonly slots: number;
  /** Mean service time, queueing excluded; of requests that share a run, each one's part. */
  readonly meanMs: number;
  /** Time until an answer begins, of answers that begin long before they end; undefined: they come at the end. */
  readonly headMs?: number;
  /** Requests that may share a run; 1: each has its own. */
  readonly batch: number;
  /** Requests that may wait, whatever the model's speed and their deadlines. */
  readonly queueLimit: number;
}

/** Bytes of the bodies that the node holds for all its placements, and how many it may. */
export interface HeldBytes {
  readonly heldBytes: number;
  readonly maxBytes: number;
}

/** How long a new request waits for its answer, its own run included, in ms. The mean is each request's part of a shared run. */
export const expectedMs = ({
  ahead,
  slots,
  meanMs,
  headMs = meanMs,
}: Pick<QueueView, "ahead" | "slots" | "meanMs" | "headMs">): number =>
  (Math.max(0, ahead + 1 - slots) / slots) * meanMs + headMs;

/**
 * Most requests that the host itself holds. They can no longer be overtaken, and dropped only until they run, so they are never
 * more work than a short queue's, or a few where a shared run is worth a wait.
 */
export function handLimit({ slots, meanMs, batch }: Pick<QueueView, "slots" | "meanMs" | "batch">): number {
  if (batch === 1) return meanMs <= QUICK_RUN_MS ? slots + 1 : slots;
  const short = Math.floor((slots * SHORT_QUEUE_MS) / Math.max(meanMs, 0.001));
  const few = meanMs <= SLOW_RUN_MS ? HANDED_PER_SLOT * slots : slots;
  return Math.max(few, Math.min(RUNS_HELD * batch, short));
}

/**
 * Why the node does not take a request; undefined when it does. `queue` is undefined for a placement that is not served here.
 * A queue is judged by the request's own deadline: one that is worked off in time delays nobody, and a longer one would only
 * turn the refusal into a late answer. Count and bytes are bounds on memory behind that. An idle placement always takes one:
 * were it refused for a mean that one slow run spoiled, no run would ever mend the mean. So does an idle node, whatever its size.
 */
export function refusalOf(
  request: { readonly edgeOnly: boolean; readonly deadlineMs: number; readonly bytes: number },
  node: { readonly kind: "edge" | "cloud"; readonly isDraining: boolean } & HeldBytes,
  queue: QueueView | undefined,
): Refusal | undefined {
  if (request.edgeOnly && node.kind === "cloud") return { status: 403, code: "EDGE_ONLY" };
  if (node.isDraining) return { status: 503, code: "DRAINING" };
  if (queue === undefined) return { status: 404, code: "MODEL_NOT_READY" };
  const isIdle = queue.ahead === 0;
  if (!isIdle && expectedMs(queue) > USABLE_TIME * request.deadlineMs)
    return { status: 429, code: "QUEUE_FULL", full: "time" };
  if (queue.inFlight >= queue.slots + queue.queueLimit) return { status: 429, code: "QUEUE_FULL", full: "count" };
  if (node.heldBytes > 0 && node.heldBytes + request.bytes > node.maxBytes)
    return { status: 429, code: "QUEUE_FULL", full: "bytes" };
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
  if (waitedMs < NO_WAIT_MS && ahead === 0) return deadlineMs > waitedMs;
  return waitedMs <= deadlineMs - (ahead + 1) * meanMs;
}
