import type { Clock } from "../../../shared/base/clock.ts";
import { encodeCancel } from "../../../shared/protocol/frames/inference-frame.ts";
import { MAX_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import type { CandidateSet } from "../../core/routing/candidate-set.ts";
import { attemptTimeoutMs } from "../../core/routing/attempt-timeout.ts";
import { pick, type Pick } from "../../core/routing/pick.ts";
import { resolve, type ReadyPlacement, type RoutePolicy } from "../../core/routing/table.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { refusal } from "./inference-responses.ts";
import { attempt, type Attempt, type AttemptContext, type AttemptResult } from "./inference-attempt.ts";
import type { InferenceResponse, InferenceRequest, RouteReason } from "./inference-request.ts";
import type { SessionRegistry } from "../node-sessions/node-session.ts";
import { RouteCache, type ServingCandidate } from "./route-cache.ts";
import type { ModelStats, Telemetry } from "./telemetry.ts";

const EXPIRY_SWEEP_MS = 50;

interface Parts {
  readonly fleet: FleetCache;
  readonly registry: SessionRegistry;
  readonly telemetry: Telemetry;
  readonly timings: NodeTimings;
  readonly clock: Clock;
  readonly random: Random;
}

/** One request on its way, who may answer it, and who was asked. */
interface RequestState extends AttemptContext {
  readonly ready: readonly ReadyPlacement[];
  readonly terms: RoutePolicy;
  readonly stats: ModelStats;
  readonly asked: string[];
}

type Picked = Extract<Pick<ServingCandidate>, { kind: "picked" }>;
type Refused = Extract<Pick<ServingCandidate>, { kind: "refused" }>;

/**
 * Routes an inference by its URL and forwards the body unchanged. The only place where refusal, lost channel and deadline
 * are decided: at most two nodes are asked, by a retry or by a hedge, and only within the caller's deadline.
 */
export class InferenceService {
  readonly #parts: Parts;
  readonly #view: RouteCache;
  #cancelSweep: () => void = () => undefined;
  #isDraining = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#view = new RouteCache(parts);
  }

  start(): void {
    this.#view.start();
    this.#scheduleSweep();
  }

  /** Refuses new requests; those under way go on. */
  drain(): void {
    this.#isDraining = true;
  }

  stop(): void {
    this.#cancelSweep();
  }

  /** Requests under way at nodes. */
  inFlight(): number {
    return this.#parts.registry.withRequests().reduce((sum, session) => sum + session.pending.size, 0);
  }

  /** Always answers; errors are answers with a code. */
  async infer(request: InferenceRequest): Promise<InferenceResponse> {
    const { clock, random, telemetry } = this.#parts;
    const startedAt = clock.now();
    if (this.#isDraining) return refusal("DRAINING", "this control plane is about to stop", { reason: "draining" });
    const { model, version, site } = request;
    const resolved = resolve(this.#view.table(), { model, version, site }, random);
    if (resolved.kind === "unknown") return refusal("NOT_FOUND", resolved.detail, { reason: "none-ready" });
    const { ready, terms } = resolved;
    const state: RequestState = {
      request,
      version: resolved.version,
      startedAt,
      deadline: startedAt + Math.min(request.timeoutMs ?? terms.timeoutMs, MAX_DEADLINE_MS),
      ready,
      terms,
      stats: telemetry.ofModel(model),
      asked: [],
    };
    const answer = await this.#execute(state);
    if (answer.status === 200) state.stats.answerTimes.add(clock.now() - startedAt);
    return answer;
  }

  async #execute(state: RequestState): Promise<InferenceResponse> {
    const { request, stats, asked, terms } = state;
    stats.retries.earn();
    const choice = this.#choose(state);
    if (choice.kind === "refused") return refused(choice, state);
    const first = this.#send(choice, state, { reason: choice.reason, mayGiveUp: true });
    const tried = await (terms.hedge ? this.#orHedge(first, state) : first.ended);
    const isFinal =
      tried.kind === "answer" || asked.length > 1 || isPinned(request) || request.cancellation.isCancelled;
    // A refusal cost no run, so asking again is free; a failure may be the sign of too much load.
    if (isFinal || (tried.kind === "failed" && !stats.retries.spend())) return tried.answer;
    const other = this.#choose(state);
    if (other.kind === "refused") return tried.answer;
    return (await this.#send(other, state, { reason: "retry", mayGiveUp: false }).ended).answer;
  }

  #choose({ request, ready, terms, deadline, asked }: RequestState): Pick<ServingCandidate> {
    const { clock, random } = this.#parts;
    const now = clock.now();
    const set = this.#view.candidates(ready, { residency: request.residency, now });
    const { prefer } = request;
    if (prefer?.kind === "node") return pinned(set, prefer.name);
    return pick(set, {
      now,
      random,
      // A node's inference channel ends at one control plane: no other one sends to the same nodes.
      routers: 1,
      timeLeftMs: deadline - now,
      mayTake: ({ nodeId, session }) => session.inference !== undefined && !asked.includes(nodeId),
      prefer: prefer?.kind,
      sloMs: terms.sloMs,
    });
  }

  /** `mayGiveUp`: when the node is silent for too long, ask another while there is time. */
  #send(
    { candidate, etaMs, considered, reason: why }: Picked,
    state: RequestState,
    { reason, mayGiveUp }: { readonly reason: RouteReason; readonly mayGiveUp: boolean },
  ): Attempt {
    const { clock } = this.#parts;
    const { asked, deadline, stats, request } = state;
    asked.push(candidate.nodeId);
    const isPatient = !mayGiveUp || considered === 1 || why === "only" || isPinned(request) || !stats.retries.hasCredit;
    const giveUpAt = clock.now() + attemptTimeoutMs(etaMs);
    return attempt(candidate, state, {
      route: {
        placement: candidate.placementId,
        reason: isPinned(request) ? "pinned" : reason,
        etaMs: isPinned(request) ? undefined : etaMs,
        candidates: considered,
        attempt: asked.length,
      },
      giveUpAt: isPatient || giveUpAt >= deadline ? undefined : giveUpAt,
      clock,
    });
  }

  /** The end of `first`; when it is late, that of the better of two. */
  async #orHedge(first: Attempt, state: RequestState): Promise<AttemptResult> {
    const { stats, request } = state;
    const afterMs = isPinned(request) ? undefined : stats.answerTimes.hedgeAfterMs;
    if (afterMs === undefined) return first.ended;
    stats.hedges.earn();
    const inTime = await this.#endWithin(first, afterMs);
    if (inTime) return inTime;
    const choice = this.#choose(state);
    if (choice.kind === "refused" || request.cancellation.isCancelled || !stats.hedges.spend()) return first.ended;
    return firstResponse(first, this.#send(choice, state, { reason: "hedge", mayGiveUp: false }));
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

  #scheduleSweep(): void {
    this.#cancelSweep = this.#parts.clock.after(EXPIRY_SWEEP_MS, () => {
      const now = this.#parts.clock.now();
      for (const { pending, inference } of this.#parts.registry.withRequests()) {
        for (const requestId of pending.expire(now)) inference?.send([encodeCancel(requestId)]);
      }
      this.#scheduleSweep();
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
  const candidate = all.find(({ node, session }) => node === name && session.inference !== undefined);
  return candidate
    ? { kind: "picked", candidate, etaMs: 0, reason: "only", considered: 1 }
    : { kind: "refused", reason: "none-ready", considered: 0 };
}

function refused({ reason, considered }: Refused, { request, version, ready }: RequestState): InferenceResponse {
  const name = version === 0 ? request.model : `${request.model}:${version}`;
  const route = { reason, candidates: considered };
  if (reason === "late")
    return refusal("QUEUE_FULL", `no placement of ${name} would answer within the time left`, route);
  if (request.residency === "edge-only" && ready.length > 0 && ready.every(({ kind }) => kind !== "edge")) {
    const detail = `${name} is ready on cloud nodes only, and the request is edge-only`;
    return refusal("RESIDENCY_UNSATISFIABLE", detail, route);
  }
  const where = request.prefer?.kind === "node" ? ` on ${request.prefer.name}` : "";
  return refusal("MODEL_NOT_READY", `${name} has no ready placement${where}; \`skerry explain\` tells why`, route);
}
