import type { Clock } from "../../../shared/base/clock.ts";
import type { Random } from "../../../shared/base/random.ts";
import { attemptTimeoutMs } from "../../core/routing/attempt-timeout.ts";
import type { CandidateSet } from "../../core/routing/candidate-set.ts";
import { pick, type Pick } from "../../core/routing/pick.ts";
import type { ReadyPlacement, RoutePolicy } from "../../core/routing/table.ts";
import { attempt, type Attempt, type AttemptContext, type AttemptResult } from "./inference-attempt.ts";
import { refusal } from "./inference-responses.ts";
import { bodyBytes, type InferenceRequest, type InferenceResponse, type RouteReason } from "./inference-request.ts";
import type { RouteCache, ServingCandidate } from "./route-cache.ts";
import type { StreamMoves } from "./stream-moves.ts";
import type { ModelStats } from "./telemetry.ts";

/** One request with its version resolved: who may answer it, and by which rules. */
export interface ResolvedRequest extends AttemptContext {
  readonly ready: readonly ReadyPlacement[];
  readonly policy: RoutePolicy;
  readonly stats: ModelStats;
  /** Default: every candidate may be asked. */
  readonly gate?: {
    readonly mayAsk: (candidate: ServingCandidate) => boolean;
    readonly onAsked: (candidate: ServingCandidate) => void;
  };
}

interface Parts {
  readonly routes: RouteCache;
  /** Left out: no request belongs to a stream. */
  readonly streams?: StreamMoves;
  readonly clock: Clock;
  readonly random: Random;
}

interface Asking {
  readonly reason: RouteReason;
  /** When the node is silent for too long, the attempt fails while there is time to ask another. */
  readonly mayGiveUp: boolean;
  /** What is kept of its stream is at the node, or nowhere. Default: the node says so. */
  readonly isStreamHere?: boolean;
}

type Picked = Extract<Pick<ServingCandidate>, { kind: "picked" }>;
type Refused = Extract<Pick<ServingCandidate>, { kind: "refused" }>;

/**
 * One inference from its route to its answer. The body is forwarded unchanged, and at most two nodes are asked.
 *
 *   choosing   At the start, and once more for a retry: the router picks one of the ready placements whose nodes have not
 *              been asked. One is picked → asked. None is → ended, with the refusal, or with what the first node said.
 *   asked      One node has the request, in one attempt (`inference-attempt.ts`). It ends as
 *                answer    the node answered, its answer has begun, or the caller has gone → ended
 *                refused   the model did not run: the queue is full, the placement is gone → choosing; costs no run, so
 *                          no budget is asked
 *                failed    the node was lost, is silent, or its model host ended → choosing, if the budget for retries
 *                          has a token: a failure may be a sign of too much load
 *              A second attempt that ends without an answer → ended.
 *              late: the policy hedges, and the attempt takes longer than 95 % of the model's answers → hedged, if there
 *              is another placement and the budget for hedges has a token.
 *   hedged     Two nodes have the request. The first answer ends it and cancels the other; an attempt that is refused or
 *              fails leaves it to the other one.
 *   ended      With exactly one answer. Nothing is retried after the head of a streamed one: it counts as an answer.
 *
 * A request of a stream goes to the home of the stream. If that may not have what is kept of it, it says so before it runs, what other
 * placements keep is brought there, and it is asked again: one attempt still.
 *
 * A second node is asked for no request that names its node, and for none whose caller has gone. What an attempt says
 * about its placement is recorded by the attempt; which of the three ends it has, too. Whether another node is asked is
 * decided here; the node itself gives a request whose model host was replaced to the next one (edge-node's inference-worker.ts).
 */
export class InferenceExecution {
  readonly #resolved: ResolvedRequest;
  readonly #parts: Parts;
  /** Ids of nodes. */
  readonly #asked: string[] = [];
  #isUnserved = false;

  constructor(resolved: ResolvedRequest, parts: Parts) {
    this.#resolved = resolved;
    this.#parts = parts;
  }

  /**
   * After `run`: no node was there to ask, or the only one does not have the placement any more. Such a request may be
   * executed anew when there is a replica.
   */
  get isUnserved(): boolean {
    return this.#isUnserved;
  }

  /** Always answers; errors are answers with a code. Called once. */
  async run(): Promise<InferenceResponse> {
    const { policy } = this.#resolved;
    const choice = this.#choose();
    if (choice.kind === "refused") {
      this.#isUnserved = choice.reason === "none-ready" && !isPinned(this.#resolved.request);
      return refused(choice, this.#resolved, { isForCloud: this.#isForCloud() });
    }
    const how = { reason: choice.reason, mayGiveUp: true };
    const hedges = policy.hedge && this.#resolved.request.stream === undefined;
    const result = await (hedges ? this.#endOrHedge(this.#ask(choice, how)) : this.#askWithStream(choice, how));
    if (!this.#mayRetry(result)) return result.answer;
    const other = this.#choose();
    if (other.kind === "refused") {
      const isGone = result.kind === "refused" && result.answer.code !== "QUEUE_FULL";
      this.#isUnserved = isGone && other.reason === "none-ready";
      return result.answer;
    }
    return (await this.#askWithStream(other, { reason: "retry", mayGiveUp: false })).answer;
  }

  async #askWithStream(choice: Picked, how: Asking): Promise<AttemptResult> {
    const { streams, clock } = this.#parts;
    const { request, deadline } = this.#resolved;
    const { placementId } = choice.candidate;
    if (request.stream === undefined || streams === undefined) return this.#ask(choice, how).ended;
    if (!streams.hasOthers(placementId)) return this.#ask(choice, { ...how, isStreamHere: true }).ended;
    const result = await this.#ask(choice, how).ended;
    if (result.isStreamMissing !== true) return result;
    this.#asked.pop();
    await streams.bring(request.stream, { placementId, timeLeftMs: deadline - clock.now() });
    return this.#ask(choice, { ...how, isStreamHere: true }).ended;
  }

  /** Only cloud nodes answer now, and the request is for the edge alone; its edge nodes may be away. */
  #isForCloud(): boolean {
    const { request, ready } = this.#resolved;
    if (request.residency !== "edge-only") return false;
    const { all } = this.#parts.routes.candidates(ready, { residency: undefined, now: this.#parts.clock.now() });
    return all.length > 0 && all.every(({ kind }) => kind !== "edge");
  }

  /** Takes a token of the budget when it needs one. */
  #mayRetry({ kind }: AttemptResult): boolean {
    const { request, stats } = this.#resolved;
    if (kind === "answer" || this.#asked.length > 1 || isPinned(request) || request.cancellation.isCancelled)
      return false;
    // It may have run, and what is kept of its stream may have it already.
    if (kind === "failed" && request.stream !== undefined) return false;
    return kind === "refused" || stats.retries.spend();
  }

  #choose(): Pick<ServingCandidate> {
    const { request, ready, policy, deadline, gate } = this.#resolved;
    const { routes, clock, random } = this.#parts;
    const now = clock.now();
    const set = routes.candidates(ready, { residency: request.residency, now });
    const { prefer, session, asks, stream } = request;
    if (prefer?.kind === "node") return pinned(set, prefer.name);
    return pick(set, {
      now,
      random,
      timeLeftMs: deadline - now,
      mayTake: (candidate) =>
        candidate.path.inference !== undefined &&
        !this.#asked.includes(candidate.nodeId) &&
        gate?.mayAsk(candidate) !== false,
      prefer: prefer?.kind,
      sloMs: policy.sloMs,
      session,
      stream,
      textBytes: asks === "text" ? bodyBytes(request) : undefined,
    });
  }

  #ask(
    { candidate, etaMs, considered, reason: why }: Picked,
    { reason, mayGiveUp, isStreamHere = false }: Asking,
  ): Attempt {
    const { clock } = this.#parts;
    const { deadline, stats, request } = this.#resolved;
    this.#asked.push(candidate.nodeId);
    this.#resolved.gate?.onAsked(candidate);
    // How long the prompt of a text or an explanation takes is not known here; a node that is gone says so by its channel.
    const isPatient =
      isPinned(request) || request.asks === "text" || request.explain === true || request.stream !== undefined;
    const waitsOn = !mayGiveUp || considered === 1 || why === "only" || isPatient || !stats.retries.hasCredit;
    const giveUpAt = clock.now() + attemptTimeoutMs(etaMs);
    return attempt(candidate, this.#resolved, {
      route: {
        placement: candidate.placementId,
        reason: isPinned(request) ? "pinned" : reason,
        etaMs: isPinned(request) ? undefined : etaMs,
        candidates: considered,
        attempt: this.#asked.length,
        ...(candidate.variant !== undefined && { variant: candidate.variant }),
      },
      isStreamHere,
      giveUpAt: waitsOn || giveUpAt >= deadline ? undefined : giveUpAt,
      clock,
    });
  }

  /** Asked → hedged when `first` is late. The end of `first`, or of the better of two. */
  async #endOrHedge(first: Attempt): Promise<AttemptResult> {
    const { stats, request } = this.#resolved;
    const isAlone = isPinned(request) || request.explain === true;
    const afterMs = isAlone ? undefined : stats.answerTimes.hedgeAfterMs;
    if (afterMs === undefined) return first.ended;
    stats.hedges.earn();
    const inTime = await this.#endWithin(first, afterMs);
    if (inTime) return inTime;
    const choice = this.#choose();
    if (choice.kind === "refused" || request.cancellation.isCancelled || !stats.hedges.spend()) return first.ended;
    return firstResponse(first, this.#ask(choice, { reason: "hedge", mayGiveUp: false }));
  }

  #endWithin({ ended }: Attempt, ms: number): Promise<AttemptResult | undefined> {
    return new Promise((resolveEnd) => {
      const cancelTimer = this.#parts.clock.after(ms, () => resolveEnd(undefined));
      void ended.then((tried) => {
        cancelTimer();
        resolveEnd(tried);
      });
    });
  }
}

const isPinned = ({ prefer }: InferenceRequest): boolean => prefer?.kind === "node";

/** The first that answers ends the other; one that fails leaves it to the other. */
async function firstResponse(one: Attempt, other: Attempt): Promise<AttemptResult> {
  const [tried, rest] = await Promise.race([
    one.ended.then((end) => [end, other] as const),
    other.ended.then((end) => [end, one] as const),
  ]);
  if (tried.kind !== "answer") return rest.ended;
  rest.cancel();
  return tried;
}

/** For diagnosis: this node or an error. */
function pinned({ all }: CandidateSet<ServingCandidate>, name: string): Pick<ServingCandidate> {
  const candidate = all.find(({ node, path }) => node === name && path.inference !== undefined);
  return candidate
    ? { kind: "picked", candidate, etaMs: 0, reason: "only", considered: 1 }
    : { kind: "refused", reason: "none-ready", considered: 0 };
}

/** Replicas are ready, and the request's residency allows none of them. */
export const isForbidden = (
  ready: readonly ReadyPlacement[],
  { residency }: { readonly residency: InferenceRequest["residency"] },
): boolean => residency === "edge-only" && ready.length > 0 && ready.every(({ kind }) => kind !== "edge");

/** Of replicas that were ready and that nobody can be asked of: their deployments let no request leave the edge. */
const isEdgeAway = (ready: readonly ReadyPlacement[]): boolean =>
  ready.length > 0 && ready.every(({ isEdgeOnly }) => isEdgeOnly);

function refused(
  { reason, considered }: Refused,
  { request, version, ready }: ResolvedRequest,
  { isForCloud }: { readonly isForCloud: boolean },
): InferenceResponse {
  const name = version === 0 ? request.model : `${request.model}:${version}`;
  const route = { reason, candidates: considered };
  if (reason === "late")
    return refusal("QUEUE_FULL", `no placement of ${name} would answer within the time left`, route);
  if (isForCloud || isForbidden(ready, request)) {
    const detail = `${name} is ready on cloud nodes only, and the request is edge-only`;
    return refusal("RESIDENCY_UNSATISFIABLE", detail, route);
  }
  if (isEdgeAway(ready) && !isPinned(request)) {
    const detail = `the edge nodes that hold ${name} are away, and its deployment is edge-only: no cloud node may answer`;
    return refusal("RESIDENCY_UNSATISFIABLE", detail, route);
  }
  const where = request.prefer?.kind === "node" ? ` on ${request.prefer.name}` : "";
  return refusal("MODEL_NOT_READY", `${name} has no ready placement${where}; \`skerry explain\` tells why`, route);
}
