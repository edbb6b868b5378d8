import type { CascadeSpec } from "../../../shared/api/v1/deployments/cascade-spec.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { release } from "../../../shared/bytes/owned-bytes.ts";
import { encodeCancel } from "../../../shared/protocol/frames/inference-frame.ts";
import { MAX_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import { wrongKind } from "../../../shared/text/model-kind.ts";
import type { Random } from "../../../shared/base/random.ts";
import { resolve, type ReadyPlacement, type Resolved } from "../../core/routing/table.ts";
import { chooseVersion } from "../../core/routing/version-split.ts";
import type { Demand } from "../../core/scaling/demand.ts";
import type { NewEvent } from "../../ports/events.ts";
import type { CascadeOutcome } from "../../ports/metrics.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { Cascades, type CascadeState } from "./cascade/cascades.ts";
import { DemandMeter, figuresOfReplicas, type DemandOf } from "./demand-meter.ts";
import { InferenceExecution, isForbidden, type ResolvedRequest } from "./inference-execution.ts";
import { refusal } from "./inference-responses.ts";
import type { InferenceResponse, InferenceRequest } from "./inference-request.ts";
import type { EvidenceMeter } from "../rollouts/evidence-meter.ts";
import { notServed, ReplicaWaits, type WaitFor } from "./replica-waits.ts";
import type { RequestPaths } from "./request-paths.ts";
import { RouteCache } from "./route-cache.ts";
import { ShadowCopies } from "./shadow-copies.ts";
import { StreamMoves } from "./stream-moves.ts";
import type { Telemetry } from "./telemetry.ts";

const EXPIRY_SWEEP_MS = 50;

interface Parts {
  readonly fleet: FleetCache;
  readonly paths: RequestPaths;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
  /** Until when nodes that are away may be on their way back from a restart, in ms; undefined: none of these is. */
  readonly awaitedUntil: (nodeIds: Iterable<string>) => number | undefined;
  /** Counts what both versions of a rollout answer. */
  readonly evidence: EvidenceMeter;
  /** A request waits for the first replica of its deployment. Called once for each. */
  readonly onWaiting?: () => void;
  readonly recordEvent: (event: NewEvent) => void;
  readonly onCascade: (outcome: CascadeOutcome) => void;
}

type Found = Extract<Resolved, { kind: "found" }>;
type Common = Omit<ResolvedRequest, "version" | "ready" | "policy" | "gate">;

interface Served {
  readonly answer: InferenceResponse;
  readonly by: Found;
}

/**
 * Resolves the URL of an inference to a version and its ready placements, and begins its execution. It also ends, by a
 * sweep over all channels, the attempts whose time is over. A request for which no replica is there waits for one where
 * demand brings one, until its deadline, and after a start of the control plane for nodes that are on their way back.
 */
export class InferenceService {
  readonly #parts: Parts;
  readonly #routes: RouteCache;
  readonly #demand = new DemandMeter();
  readonly #waits: ReplicaWaits;
  readonly #shadows: ShadowCopies;
  readonly #cascades: Cascades;
  readonly #streams: StreamMoves;
  #cancelSweep: () => void = () => undefined;
  #isDraining = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#routes = new RouteCache(parts);
    this.#waits = new ReplicaWaits(parts.clock);
    this.#streams = new StreamMoves(parts);
    this.#shadows = new ShadowCopies({ ...parts, routes: this.#routes });
    const { onCascade: onOutcome } = parts;
    this.#cascades = new Cascades({ ...parts, routes: this.#routes, demand: this.#demand, onOutcome });
  }

  start(): void {
    this.#routes.start();
    this.#scheduleSweep();
  }

  /** Refuses requests that wait for a replica, and those that would have to; a ready replica answers as before. */
  endWaits(): void {
    this.#waits.stop();
  }

  /** Refuses new requests; those under way go on. */
  drain(): void {
    this.#isDraining = true;
    this.endWaits();
  }

  stop(): void {
    this.#shadows.stop();
    this.#cancelSweep();
  }

  /** Requests under way at nodes. */
  inFlight(): number {
    return this.#parts.paths.inUse().reduce((sum, { pending }) => sum + pending.size, 0);
  }

  /** What callers ask of each deployment here, as far as any do. */
  demands(): ReadonlyMap<string, Demand> {
    return this.#demand.demands(this.#parts.clock.now(), (of) =>
      figuresOfReplicas(this.#readyOf(of).flat(), this.#parts.telemetry),
    );
  }

  /** Always answers; errors are answers with a code. */
  async infer(request: InferenceRequest): Promise<InferenceResponse> {
    const { clock, telemetry } = this.#parts;
    const startedAt = clock.now();
    if (this.#isDraining) return refusal("DRAINING", "this control plane is about to stop", { reason: "draining" });
    const resolved = this.#resolve(request);
    if (resolved.kind === "unknown") return refusal("NOT_FOUND", resolved.detail, { reason: "none-ready" });
    const { deployment, policy, asks } = resolved;
    const asked = request.asks ?? "tensors";
    if (asks !== undefined && asks !== asked)
      return refusal("INVALID_REQUEST", wrongKind(request.model, asks, asked), { reason: "none-ready" });
    const deadline = startedAt + Math.min(request.timeoutMs ?? policy.timeoutMs, MAX_DEADLINE_MS);
    const stats = telemetry.ofModel(request.model);
    if (deployment !== undefined) this.#demand.arrived({ deployment, model: request.model }, startedAt);
    const { answer, by } = await this.#answer(resolved, { request, startedAt, deadline, stats });
    const { isExplained = false } = answer;
    // With a rule the time is also, or only, that of a large model; with an explanation it is that of many runs.
    if (answer.status === 200 && answer.route.cascade?.rule === undefined && !isExplained)
      stats.answerTimes.add(clock.now() - startedAt);
    if (by.measured !== undefined && !isExplained) {
      this.#count(by, answer, startedAt);
      if (by.measured.copies) this.#shadows.answered(request, answer, { measured: by.measured, policy: by.policy });
    }
    if (deployment !== undefined) {
      if ("ended" in answer.body) void answer.body.ended.then(() => this.#demand.ended(deployment));
      else this.#demand.ended(deployment);
    }
    return request.explain === true ? explainedOr501(answer) : answer;
  }

  /** A placement ends whose pipeline keeps something of streams. Never rejects. */
  handOverStreams(placementId: string): Promise<void> {
    return this.#streams.handOver(placementId);
  }

  /** What this control plane knows of a deployment's cascade. */
  cascadeState(deployment: string, spec: CascadeSpec): CascadeState {
    return this.#cascades.stateOf(deployment, spec);
  }

  /** A request that names a version or a node asks for these and nothing else: no cascade then. */
  async #answer(first: Found, common: Common): Promise<Served> {
    const { cascade, deployment } = first;
    const { request, startedAt, deadline } = common;
    const { asks = "tensors", prefer, explain = false } = request;
    const isAlone = cascade === undefined || asks === "embeddings" || prefer?.kind === "node" || explain;
    if (isAlone || deployment === undefined) return this.#serve(first, common);
    let by = first;
    let small: { readonly answer: InferenceResponse; readonly ms: number } | undefined;
    const answer = await this.#cascades.answer({ deployment, cascade, request, startedAt, deadline }, async (asked) => {
      const served = await this.#serve(first, { ...common, request: asked });
      ({ by } = served);
      small = { answer: served.answer, ms: this.#parts.clock.now() - startedAt };
      return served.answer;
    });
    if (answer.route.reason !== "cascade") return { answer, by };
    // The large model's answer says nothing about versions of the small one, whose own, in doubt, does.
    if (small !== undefined && by.measured !== undefined) this.#addEvidence(by, small.answer, small);
    return { answer, by: { ...by, measured: undefined } };
  }

  #resolve({ model, version, deployment, site, sticky, session, stream }: InferenceRequest): Resolved {
    const key = sticky ?? stream ?? (session === undefined ? undefined : String(session));
    return resolve(this.#routes.table(), { model, version, deployment, site, sticky: key }, this.#parts.random);
  }

  async #serve(first: Found, common: Common): Promise<Served> {
    const { clock, random, onWaiting } = this.#parts;
    const { request, deadline, startedAt, stats } = common;
    stats.retries.earn();
    let isAnnounced = false;
    for (let resolved = first; ;) {
      const { version, ready, policy, deployment } = resolved;
      const parts = { routes: this.#routes, streams: this.#streams, clock, random };
      const execution = new InferenceExecution({ ...common, version, ready, policy }, parts);
      const answer = await execution.run();
      if (!execution.isUnserved || deployment === undefined || isForbidden(ready, request))
        return { answer, by: resolved };
      const until = resolved.mayWait ? deadline : this.#returnsUntil(ready, deadline);
      if (until === undefined) return { answer, by: resolved };
      if (resolved.mayWait && !isAnnounced) {
        isAnnounced = true;
        onWaiting?.();
      }
      const { model, residency } = request;
      const of = { model, deployment, version: request.version, residency };
      const end = await this.#waits.wait(of, until, request.cancellation);
      if (end !== "served") return { answer: notServed(end, answer, clock.now() - startedAt), by: resolved };
      const again = this.#resolve(request);
      if (again.kind === "unknown")
        return { answer: refusal("NOT_FOUND", again.detail, { reason: "none-ready" }), by: resolved };
      resolved = again;
    }
  }

  /** A streamed answer counts when it has ended, with the time to its head. */
  #count(by: Found, answer: InferenceResponse, startedAt: number): void {
    const ms = this.#parts.clock.now() - startedAt;
    const add = (code: string | undefined): void => this.#addEvidence(by, answer, { ms, code });
    if (answer.code !== undefined || answer.body instanceof Uint8Array) return add(answer.code);
    void answer.body.ended.then((end) => {
      if (end.kind === "complete") add(undefined);
      else if (end.kind === "failed") add(end.code);
    });
  }

  /** `code`: how it ended, if not as its head says. */
  #addEvidence(
    { measured, version, ready }: Found,
    answer: InferenceResponse,
    { ms, code = answer.code }: { readonly ms: number; readonly code?: string | undefined },
  ): void {
    if (measured === undefined) return;
    const kind = ready.find(({ placement }) => placement.id === answer.route.placement)?.kind;
    this.#parts.evidence.answered(measured, { version, code, kind, ms });
  }

  /** Until when a request may wait for nodes that are on their way back; undefined: not at all. */
  #returnsUntil(ready: readonly ReadyPlacement[], deadline: number): number | undefined {
    const until = this.#parts.awaitedUntil(ready.values().map(({ placement }) => placement.nodeId));
    return until === undefined ? undefined : Math.min(until, deadline);
  }

  /** The ready replicas of a deployment, by version. */
  #readyOf({ model, deployment }: DemandOf): readonly (readonly ReadyPlacement[])[] {
    const routes = this.#routes.table().byModel.get(model);
    return [...(routes?.deployments.find(({ name }) => name === deployment)?.byVersion.values() ?? [])];
  }

  /** Whether a request that waits for this can be sent to a replica now, or be refused for good. */
  #isDecided(of: WaitFor): boolean {
    const { residency } = of;
    const ready = this.#readyFor(of);
    if (ready === undefined || isForbidden(ready, { residency })) return true;
    if (ready.length === 0) return false;
    const { all } = this.#routes.candidates(ready, { residency, now: this.#parts.clock.now() });
    return all.some(({ path }) => path.inference !== undefined);
  }

  /** The ready replicas among which such a request would be routed; undefined when what it names is gone. */
  #readyFor({ model, deployment, version }: WaitFor): readonly ReadyPlacement[] | undefined {
    const table = this.#routes.table();
    const { random } = this.#parts;
    if (version !== undefined) {
      const resolved = resolve(table, { model, version, site: undefined }, random);
      return resolved.kind === "found" ? resolved.ready : undefined;
    }
    const routes = table.byModel.get(model)?.deployments.find(({ name }) => name === deployment);
    return routes && (routes.byVersion.get(chooseVersion(routes.shares, random) ?? 0) ?? []);
  }

  #scheduleSweep(): void {
    this.#cancelSweep = this.#parts.clock.after(EXPIRY_SWEEP_MS, () => {
      const now = this.#parts.clock.now();
      for (const { pending, inference } of this.#parts.paths.inUse()) {
        for (const requestId of pending.expire(now)) inference?.send([encodeCancel(requestId)]);
      }
      this.#waits.look((of) => this.#isDecided(of));
      this.#scheduleSweep();
    });
  }
}

/** A node with an older program, or the engine beside it, takes a request for an explanation as any other. */
function explainedOr501(answer: InferenceResponse): InferenceResponse {
  if (answer.status !== 200 || answer.isExplained === true) return answer;
  if (answer.body instanceof Uint8Array) release(answer.body);
  else answer.body.cancel();
  const { node = "the node", route } = answer;
  return {
    ...refusal("NOT_SERVED", `${node} answered without an explanation: its program has none`, route),
    node: answer.node,
  };
}
