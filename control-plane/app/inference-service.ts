import type { Clock } from "../../shared/clock.ts";
import { encodeCancel, encodeMessages, INFERENCE_FRAME } from "../../shared/protocol/inference-frame.ts";
import { DEFAULT_DEADLINE_MS, MAX_DEADLINE_MS, MAX_MESSAGE_BYTES } from "../../shared/protocol/limits.ts";
import type { Random } from "../../shared/random.ts";
import { nodeState, type NodeTimings } from "../core/fleet/node-status.ts";
import type { RouteCandidate } from "../core/route/estimate.ts";
import { pick, type Pick } from "../core/route/pick.ts";
import { buildRouteTable, resolve, type ReadyPlacement, type RouteTable } from "../core/route/table.ts";
import type { FleetHolder } from "./fleet-holder.ts";
import { answerFrom, figuresOf, refusal } from "./inference-answers.ts";
import type { InferenceAnswer, InferenceRequest, RouteNote } from "./inference-request.ts";
import type { NodeSession, SessionRegistry } from "./node-session.ts";
import type { AttemptOutcome } from "./pending-requests.ts";
import type { Telemetry } from "./telemetry.ts";

const EXPIRY_SWEEP_MS = 50;
/** A node that misses the deadline tells so itself; this is how long we wait for that before we do, in ms. */
const NODE_GRACE_MS = 100;
const ATTEMPTS = 2;

interface Parts {
  readonly fleet: FleetHolder;
  readonly registry: SessionRegistry;
  readonly telemetry: Telemetry;
  readonly timings: NodeTimings;
  readonly clock: Clock;
  readonly random: Random;
}

/** One request on its way: what has been tried, and what is left of its time. */
interface Journey {
  readonly request: InferenceRequest;
  readonly startedAt: number;
  readonly deadline: number;
  readonly version: number;
  readonly asked: Set<string>;
  attempt: number;
}

type Tried =
  | { readonly kind: "answer"; readonly answer: InferenceAnswer }
  /** The model did not run, or its node went away: another node may be asked. */
  | { readonly kind: "elsewhere"; readonly answer: InferenceAnswer };

/**
 * Routes an inference by its URL and forwards the body unchanged. The only place where refusal, lost link and deadline
 * are decided: at most one retry elsewhere, and only within the caller's deadline.
 */
export class InferenceService {
  readonly #parts: Parts;
  #table: RouteTable = { byModel: new Map() };
  #isTableStale = true;
  #cancelSweep: () => void = () => undefined;
  #isDraining = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#parts.fleet.onChange(() => (this.#isTableStale = true));
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
    return this.#parts.registry.all().reduce((sum, session) => sum + session.pending.size, 0);
  }

  /** Always answers; errors are answers with a code. */
  async infer(request: InferenceRequest): Promise<InferenceAnswer> {
    const { clock } = this.#parts;
    const startedAt = clock.now();
    if (this.#isDraining) return refusal("DRAINING", "this control plane is about to stop", { reason: "draining" });
    const resolved = resolve(
      this.#routeTable(),
      request,
      ({ nodeId }) => this.#parts.fleet.current().nodes.get(nodeId)?.site === request.site,
    );
    if (resolved.kind === "unknown") return refusal("NOT_FOUND", resolved.detail, { reason: "none-ready" });
    const timeoutMs = Math.min(request.timeoutMs ?? DEFAULT_DEADLINE_MS, MAX_DEADLINE_MS);
    const journey: Journey = {
      request,
      startedAt,
      deadline: startedAt + timeoutMs,
      version: resolved.version,
      asked: new Set(),
      attempt: 0,
    };

    const ready = admitted(resolved.ready, request);
    if (ready.length === 0) return noneAdmitted(resolved.ready, journey);
    let last: InferenceAnswer | undefined;
    while (journey.attempt < ATTEMPTS) {
      journey.attempt += 1;
      const candidates = this.#candidates(ready);
      const choice = this.#choose(candidates, journey);
      if (choice.kind === "refused") return last ?? this.#refused(choice, journey);
      const tried = await this.#tryAt(choice, journey);
      last = tried.answer;
      if (tried.kind === "answer" || request.prefer?.kind === "node" || request.signal.aborted) return tried.answer;
    }
    return last ?? refusal("NODE_LOST", "no node answered", { reason: "none-ready" });
  }

  #routeTable(): RouteTable {
    if (this.#isTableStale) {
      this.#table = buildRouteTable(this.#parts.fleet.current());
      this.#parts.telemetry.keepOnly(this.#parts.fleet.current().placements);
      this.#isTableStale = false;
    }
    return this.#table;
  }

  /** Ready placements whose node is ready and whose inference channel is open here. */
  #candidates(ready: readonly ReadyPlacement[]): RouteCandidate[] {
    const { fleet, registry, telemetry, timings, clock } = this.#parts;
    const candidates: RouteCandidate[] = [];
    for (const { placement } of ready) {
      const node = fleet.current().nodes.get(placement.nodeId);
      if (!node || registry.get(node.id)?.inference === undefined || nodeState(node, clock.now(), timings) !== "ready")
        continue;
      candidates.push({
        placementId: placement.id,
        nodeId: node.id,
        node: node.name,
        kind: node.kind,
        rttMs: node.load?.rttMs ?? 0,
        warmUs: placement.warmUs ?? 0,
        stats: telemetry.of(placement.id),
      });
    }
    return candidates;
  }

  #choose(candidates: readonly RouteCandidate[], { request, deadline, asked }: Journey): Pick {
    const { clock, random } = this.#parts;
    const { prefer } = request;
    const pool = prefer?.kind === "node" ? candidates.filter(({ node }) => node === prefer.name) : candidates;
    const now = clock.now();
    const preferKind = prefer?.kind === "edge" || prefer?.kind === "cloud" ? prefer.kind : undefined;
    return pick(pool, { now, random, routers: 1, timeLeftMs: deadline - now, exclude: asked, preferKind });
  }

  async #tryAt(choice: Extract<Pick, { kind: "picked" }>, journey: Journey): Promise<Tried> {
    const { clock, registry } = this.#parts;
    const { candidate } = choice;
    journey.asked.add(candidate.nodeId);
    const route: RouteNote = {
      placement: candidate.placementId,
      reason: journey.attempt > 1 ? "retry" : journey.request.prefer?.kind === "node" ? "pinned" : choice.reason,
      etaMs: choice.etaMs,
      candidates: choice.considered,
      attempt: journey.attempt,
    };
    const sentAt = clock.now();
    const outcome = await this.#send(registry.get(candidate.nodeId), candidate, journey);
    const context = { journey, candidate, route, sentAt, endedAt: clock.now() };
    return this.#settle(outcome, context);
  }

  /** Forwards the request and waits for its end. The caller's going away travels to the node. */
  async #send(
    session: NodeSession | undefined,
    candidate: RouteCandidate,
    { request, deadline }: Journey,
  ): Promise<AttemptOutcome> {
    const { clock } = this.#parts;
    const link = session?.inference;
    candidate.stats.begin();
    if (!session || !link) return { kind: "lost" };
    const { requestId, outcome } = session.pending.begin(deadline + NODE_GRACE_MS);
    const messages = encodeMessages(
      {
        type: INFERENCE_FRAME.REQUEST,
        requestId,
        edgeOnly: request.residency === "edge-only",
        deadlineMs: Math.max(1, Math.floor(deadline - clock.now())),
        headerLength: request.headerLength,
        priority: 0,
        meta: {
          placementId: candidate.placementId,
          ...(request.traceparent !== undefined && { traceparent: request.traceparent }),
        },
        body: request.body,
      },
      MAX_MESSAGE_BYTES,
    );
    if (!link.send(messages)) {
      session.pending.settle(requestId, { kind: "lost" });
      return outcome;
    }
    const onGone = (): void => {
      if (session.pending.settle(requestId, { kind: "timed-out" })) link.send([encodeCancel(requestId)]);
    };
    request.signal.addEventListener("abort", onGone, { once: true });
    try {
      return await outcome;
    } finally {
      request.signal.removeEventListener("abort", onGone);
    }
  }

  #settle(
    outcome: AttemptOutcome,
    {
      journey,
      candidate,
      route,
      sentAt,
      endedAt,
    }: { journey: Journey; candidate: RouteCandidate; route: RouteNote; sentAt: number; endedAt: number },
  ): Tried {
    const { stats, node } = candidate;
    if (outcome.kind === "answered") {
      const { response } = outcome;
      const ran = response.status === 200;
      if (response.status >= 500 && !response.notStarted) stats.failed(endedAt);
      else stats.answered(figuresOf(response), { now: endedAt, serviceUs: ran ? response.computeUs : undefined });
      const { startedAt, version } = journey;
      const { model } = journey.request;
      const answer = answerFrom(response, { model, version, startedAt, node, route, sentAt, endedAt });
      return { kind: response.notStarted ? "elsewhere" : "answer", answer };
    }
    if (journey.request.signal.aborted) {
      stats.abandoned();
      return { kind: "answer", answer: refusal("CANCELLED", "the caller went away", route) };
    }
    stats.failed(endedAt);
    if (outcome.kind === "lost") {
      const detail = `${node} went away with the request in flight`;
      return { kind: "elsewhere", answer: { ...refusal("NODE_LOST", detail, route), node } };
    }
    const waited = Math.round(endedAt - journey.startedAt);
    return {
      kind: "answer",
      answer: { ...refusal("DEADLINE_EXCEEDED", `${node} did not answer within ${waited} ms`, route), node },
    };
  }

  #refused(choice: Extract<Pick, { kind: "refused" }>, journey: Journey): InferenceAnswer {
    const name = `${journey.request.model}:${journey.version}`;
    const route = { reason: choice.reason, candidates: choice.considered, attempt: journey.attempt };
    if (choice.reason === "late") {
      return refusal("QUEUE_FULL", `no placement of ${name} would answer within the time left`, route);
    }
    const where = journey.request.prefer?.kind === "node" ? ` on ${journey.request.prefer.name}` : "";
    return refusal("MODEL_NOT_READY", `${name} has no ready placement${where}; \`skerry explain\` tells why`, route);
  }

  #scheduleSweep(): void {
    this.#cancelSweep = this.#parts.clock.after(EXPIRY_SWEEP_MS, () => {
      const now = this.#parts.clock.now();
      for (const { pending, inference } of this.#parts.registry.all()) {
        for (const requestId of pending.expire(now)) inference?.send([encodeCancel(requestId)]);
      }
      this.#scheduleSweep();
    });
  }
}

/** The caller may tighten residency; the deployment's own is in the table already. */
const admitted = (ready: readonly ReadyPlacement[], { residency }: InferenceRequest): readonly ReadyPlacement[] =>
  residency === "edge-only" ? ready.filter(({ kind }) => kind === "edge") : ready;

function noneAdmitted(ready: readonly ReadyPlacement[], { request, version }: Journey): InferenceAnswer {
  const name = version === 0 ? request.model : `${request.model}:${version}`;
  if (ready.length > 0) {
    return refusal("RESIDENCY_UNSATISFIABLE", `${name} is ready on cloud nodes only, and the request is edge-only`, {
      reason: "none-ready",
    });
  }
  return refusal("MODEL_NOT_READY", `${name} has no ready placement; \`skerry explain\` tells why`, {
    reason: "none-ready",
  });
}
