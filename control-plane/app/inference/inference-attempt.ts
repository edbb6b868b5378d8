import type { Clock } from "../../../shared/base/clock.ts";
import { encodeCancel, encodeMessages, INFERENCE_FRAME } from "../../../shared/protocol/frames/inference-frame.ts";
import type { ResponseFrame } from "../../../shared/protocol/frames/response-frame.ts";
import type { StreamEnd } from "../../../shared/inference/response-stream.ts";
import type { TrailersFrame } from "../../../shared/protocol/frames/stream-frame.ts";
import { retryAfterQueueMs } from "../../../shared/inference/http/error-response.ts";
import { MAX_MESSAGE_BYTES } from "../../../shared/protocol/limits.ts";
import { attemptTimeoutMs, longRunUntil } from "../../core/routing/attempt-timeout.ts";
import { answerFrom, figuresOf, refusal } from "./inference-responses.ts";
import { bodyBytes, type InferenceRequest, type InferenceResponse, type RouteNote } from "./inference-request.ts";
import type { AttemptOutcome } from "./pending-requests.ts";
import type { ServingCandidate } from "./route-cache.ts";

/** A node that misses the deadline tells so itself; this is how long we wait for that before we do, in ms. */
export const NODE_GRACE_MS = 100;

/** A request on its way. Instants in ms of the router's clock. */
export interface AttemptContext {
  readonly request: InferenceRequest;
  readonly version: number;
  readonly startedAt: number;
  readonly deadline: number;
}

export interface AttemptResult {
  /** `refused`: the model did not run. `failed`: its node went away or is silent. Another node may be asked after both. */
  readonly kind: "answer" | "refused" | "failed";
  readonly answer: InferenceResponse;
  /** Of a request of a stream: refused, as another node may know its stream. */
  readonly isStreamMissing?: boolean;
}

export interface Attempt {
  /** Never rejects. */
  readonly ended: Promise<AttemptResult>;
  /** Cancels the attempt: the node drops the request, and a body that has begun ends. Does nothing after the end. */
  cancel(): void;
}

/**
 * Sends the request to one node. Whatever happens, it counts as in flight there until it has ended, and what it tells
 * about the placement is noted once. Given up at `giveUpAt` (ms), or at the deadline when undefined.
 */
export function attempt(
  candidate: ServingCandidate,
  context: AttemptContext,
  {
    route,
    giveUpAt,
    isStreamHere = false,
    clock,
  }: {
    readonly route: RouteNote;
    readonly giveUpAt: number | undefined;
    /** What is kept of the request's stream is at this node, or nowhere. */
    readonly isStreamHere?: boolean;
    readonly clock: Clock;
  },
): Attempt {
  const { request, deadline } = context;
  const { path, stats } = candidate;
  const sentAt = clock.now();
  stats.begin(sentAt);
  const token = {};
  stats.underWay.add(token);
  const lastAt = deadline + NODE_GRACE_MS;
  const moreTime = (now: number): number | undefined => {
    const isFirst = stats.underWay.values().next().value === token;
    const until = longRunUntil({ isFirst, reportedAt: stats.reportedAt }, now);
    return until === undefined || now >= lastAt ? undefined : Math.min(until, lastAt);
  };
  const { requestId, outcome } =
    giveUpAt === undefined ? path.pending.begin(lastAt) : path.pending.begin(giveUpAt, moreTime);
  const isSent = path.inference?.send(
    encodeMessages(
      {
        type: INFERENCE_FRAME.REQUEST,
        requestId,
        edgeOnly: candidate.isEdgeOnly || request.residency === "edge-only",
        deadlineMs: nodeTimeMs(deadline - sentAt, candidate.rttMs),
        headerLength: request.headerLength,
        priority: 0,
        meta: {
          placementId: candidate.placementId,
          ...(request.traceparent !== undefined && { traceparent: request.traceparent }),
          ...(request.explain === true && { explain: true }),
          ...(request.doubt !== undefined && { doubt: request.doubt }),
          ...(request.stream !== undefined && {
            stream: { key: request.stream, ...(isStreamHere && { alone: true as const }) },
          }),
        },
      },
      request.body,
      MAX_MESSAGE_BYTES,
    ),
  );
  if (isSent !== true) path.pending.settle(requestId, { kind: isSent === false ? "unsent" : "lost" });
  const cancel = (): void => {
    if (path.pending.cancel(requestId)) path.inference?.send([encodeCancel(requestId)]);
  };
  request.cancellation.onCancel(cancel);
  const ended = outcome.then((how) => {
    stats.underWay.delete(token);
    return recordAndTranslate(how, context, { candidate, route, sentAt, endedAt: clock.now(), clock });
  });
  return { ended, cancel };
}

/**
 * How long the node may take, in ms: what is left to the caller without the way there and back. A run that ends later is of
 * no use (simulation S8: 93 % goodput without, 95 % with it). Half of the time at least, since a round trip may be measured
 * too long.
 */
const nodeTimeMs = (leftMs: number, rttMs: number): number =>
  Math.max(1, Math.floor(leftMs - Math.min(rttMs, leftMs / 2)));

interface SentAttempt {
  readonly candidate: ServingCandidate;
  readonly route: RouteNote;
  readonly sentAt: number;
  readonly endedAt: number;
  readonly clock: Clock;
}

/** Notes what the attempt says about its placement, and makes it an answer. */
function recordAndTranslate(outcome: AttemptOutcome, context: AttemptContext, sent: SentAttempt): AttemptResult {
  const { candidate, route, sentAt, endedAt, clock } = sent;
  const { stats, node } = candidate;
  switch (outcome.kind) {
    case "answered": {
      const { response } = outcome;
      if (isFault(response, context, sent)) stats.failed(endedAt);
      else stats.answered(figuresOf(response), endedAt);
      const { request, version, startedAt } = context;
      const answer = answerFrom(response, { model: request.model, version, startedAt, node, route, sentAt, endedAt });
      const isStreamMissing = response.meta.streamMissing === true;
      const retryAfterMs = retryAfterMsOf(answer, response);
      return {
        kind: kindOf(response),
        answer: { ...answer, retryAfterMs },
        ...(isStreamMissing && { isStreamMissing }),
      };
    }
    case "streaming": {
      const { head, stream } = outcome;
      const { request, version, startedAt } = context;
      const firstMs = endedAt - sentAt - head.queueUs / 1_000 - candidate.rttMs;
      const bytes = bodyBytes(request);
      stats.streamBegan(endedAt);
      void stream.ended.then((end) => {
        stats.streamEnded();
        recordStream(end, candidate, clock.now());
        const usage = end.kind === "complete" ? end.trailer.meta.usage : undefined;
        if (usage !== undefined) stats.pace.add({ ...usage, bytes, firstMs, restMs: clock.now() - endedAt });
      });
      const begun = { ...head, wasNotExecuted: false, body: stream };
      const answer = answerFrom(begun, { model: request.model, version, startedAt, node, route, sentAt, endedAt });
      return { kind: "answer", answer };
    }
    case "cancelled":
      stats.abandoned();
      return { kind: "answer", answer: refusal("CANCELLED", "the caller went away", route) };
    case "unsent":
      stats.abandoned();
      return {
        kind: "refused",
        answer: { ...refusal("QUEUE_FULL", `too much waits to be sent to ${node}`, route), node },
      };
    case "lost": {
      stats.failed(endedAt);
      const detail = `${node} went away with the request in flight`;
      return { kind: "failed", answer: { ...refusal("NODE_LOST", detail, route), node } };
    }
    case "timed-out": {
      stats.failed(endedAt);
      const detail = `${node} did not answer within ${Math.round(endedAt - sentAt)} ms`;
      return { kind: "failed", answer: { ...refusal("DEADLINE_EXCEEDED", detail, route), node } };
    }
  }
}

/** Of a full queue: when it is worked off, as far as `Retry-After` can say it. */
const retryAfterMsOf = (
  { code, retryAfterMs }: InferenceResponse,
  { placementInFlight, meanUs, slots }: ResponseFrame,
): number | undefined =>
  code === "QUEUE_FULL" ? retryAfterQueueMs((placementInFlight * meanUs) / 1_000 / Math.max(1, slots)) : retryAfterMs;

/** A streamed answer counts as in flight, and its figures are known, when its body has ended. */
function recordStream(end: StreamEnd<TrailersFrame>, { stats }: ServingCandidate, now: number): void {
  if (end.kind === "complete") stats.answered(figuresOf(end.trailer), now);
  else if (end.kind === "failed") stats.failed(now);
  else stats.abandoned();
}

/**
 * Whether another node may be asked. A model host that ended is asked about elsewhere too, within the budget: most who are
 * hit shared the process with the request that ended it, and that one ends at most one more. A node of another control plane
 * is lost when that one says so.
 */
function kindOf({ wasNotExecuted, meta }: ResponseFrame): AttemptResult["kind"] {
  if (wasNotExecuted) return "refused";
  return meta.code === "HOST_CRASHED" || meta.code === "NODE_LOST" ? "failed" : "answer";
}

/**
 * Whether the answer speaks against the placement. A full queue does not, its figures say it better. A missed deadline
 * does only when there was ample time: else one caller's impossible deadline would eject placements for all. Of an explanation
 * it says that it needs more runs.
 */
function isFault(response: ResponseFrame, { deadline }: AttemptContext, { route, sentAt }: SentAttempt): boolean {
  const { status, wasNotExecuted, meta } = response;
  if (wasNotExecuted) return status === 404 || status === 503;
  if (status === 504 && meta.explained === true) return false;
  if (status === 504) return deadline - sentAt >= attemptTimeoutMs(route.etaMs ?? 0);
  return status >= 500;
}
