import { nodeKind, type NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import type { Clock } from "../../../../shared/base/clock.ts";
import type { Random } from "../../../../shared/base/random.ts";
import { release } from "../../../../shared/bytes/owned-bytes.ts";
import { Cancellation } from "../../../../shared/flow/cancellation.ts";
import { withDoubt } from "../../../../shared/openai/doubt.ts";
import type { Breaker } from "../../../core/cascade/breaker.ts";
import { type CascadeClosing, isAllowedOn, type Opening, openingOf } from "../../../core/cascade/opening.ts";
import { askedAfter, askedBefore, type CascadeRule, measureOf } from "../../../core/cascade/rules.ts";
import { UploadBudget } from "../../../core/cascade/upload-budget.ts";
import { type DeclaredCascade, resolveDeployment, type Resolved } from "../../../core/routing/table.ts";
import { followsDemand } from "../../../core/scaling/replica-targets.ts";
import type { NewEvent } from "../../../ports/events.ts";
import type { CascadeOutcome } from "../../../ports/metrics.ts";
import { isFault, whyNotTaken } from "./cascade-answers.ts";
import { type AskedBy, CascadeBreakers } from "./cascade-breakers.ts";
import { type CascadeCounts, CascadeTallies } from "./cascade-counts.ts";
import { compareBodies } from "../../rollouts/compare-bodies.ts";
import type { FleetCache } from "../../fleet/fleet-cache.ts";
import type { DemandMeter } from "../demand-meter.ts";
import { InferenceExecution } from "../inference-execution.ts";
import { bodyBytes, type CascadeNote, type InferenceRequest, type InferenceResponse } from "../inference-request.ts";
import type { RouteCache } from "../route-cache.ts";
import type { Telemetry } from "../telemetry.ts";

export interface CascadeParts {
  readonly fleet: FleetCache;
  readonly routes: RouteCache;
  readonly telemetry: Telemetry;
  readonly demand: DemandMeter;
  readonly clock: Clock;
  readonly random: Random;
  readonly recordEvent: (event: NewEvent) => void;
  readonly onOutcome: (outcome: CascadeOutcome) => void;
}

type Found = Extract<Resolved, { kind: "found" }>;

interface Asked {
  readonly deployment: string;
  readonly cascade: DeclaredCascade;
  readonly request: InferenceRequest;
  readonly startedAt: number;
  readonly deadline: number;
}

interface Large {
  readonly model: string;
  readonly found: Found;
}

type LargeEnd =
  | { readonly kind: "answered"; readonly answer: InferenceResponse }
  | { readonly kind: "closed"; readonly why: CascadeClosing };

/** What this control plane knows of a cascade, beside its specification. */
export interface CascadeState {
  readonly breaker: Breaker["state"];
  /** Bytes that may be sent to cloud nodes now; undefined: any number. */
  readonly leftBytes: number | undefined;
  readonly counted: CascadeCounts;
}

/** Reading so much JSON takes about 0.5 ms; larger answers are not compared. */
const MAX_COMPARED_BYTES = 65_536;

/** With more replicas of the large model the cascade may be open again. */
const ENDED_BY_REPLICAS: ReadonlySet<CascadeClosing> = new Set(["unavailable", "breaker", "deadline"]);

/**
 * Executes requests of deployments that have a large model behind them: core/cascade decides, this asks. A request is asked
 * of the small model, of the large one, or of one after the other; the caller gets the answer of one, from its first byte. An
 * answer in doubt waits unread while the large model is asked, and is taken when that gives none.
 */
export class Cascades {
  readonly #parts: CascadeParts;
  readonly #breakers: CascadeBreakers;
  /** By the deployment that declares the cascade. */
  readonly #budgets = new Map<string, UploadBudget>();
  readonly #tallies: CascadeTallies;

  constructor(parts: CascadeParts) {
    this.#parts = parts;
    this.#breakers = new CascadeBreakers(parts);
    this.#tallies = new CascadeTallies(parts.fleet);
  }

  stateOf(deployment: string, { to, uploadBudget }: DeclaredCascade["spec"]): CascadeState {
    const now = this.#parts.clock.now();
    return {
      breaker: this.#breakers.worstOf(to),
      leftBytes: uploadBudget && this.#budgetOf(deployment, uploadBudget).leftBytes(now),
      counted: this.#tallies.of(deployment),
    };
  }

  /** Always answers. `askSmall` executes a request at the small model. */
  async answer(
    asked: Asked,
    askSmall: (request: InferenceRequest) => Promise<InferenceResponse>,
  ): Promise<InferenceResponse> {
    const { request, cascade, deployment } = asked;
    const { when } = cascade.spec;
    this.#tallies.add(deployment, { requests: 1 });
    const { cascade: question = { wants: undefined, promptCharacters: 0 } } = request;
    const before = askedBefore(when, question);
    if (before !== undefined) {
      const large = await this.#askLarge(before, asked);
      if (large.kind === "answered") return large.answer;
      return noted(await askSmall(request), { rule: before, closed: large.why });
    }
    const { text, tensors } = measureOf(when, { ...question, asks: request.asks ?? "tensors" });
    // No answer is held back while nothing could follow from it.
    const isMeasured = (text ?? tensors) !== undefined;
    const opening = isMeasured ? this.#openingOf(asked, this.#largeOf(asked)) : undefined;
    if (opening?.kind === "closed") {
      this.#callForReplicas(asked, opening.why);
      this.#count(asked, undefined, opening.why);
      return noted(await askSmall(request), { closed: opening.why });
    }
    const cancellation = new Cancellation();
    request.cancellation.onCancel(() => cancellation.cancel());
    const body = text === undefined ? request.body : withDoubt(request.body, text);
    const small = await askSmall({ ...request, body, ...(tensors !== undefined && { doubt: tensors }), cancellation });
    const isTooLong = small.code === "CONTEXT_TOO_LONG";
    const rule = askedAfter(when, question, { isDoubtful: small.isDoubtful === true, isTooLong });
    if (rule === undefined || request.cancellation.isCancelled) return small;
    let isLost = false;
    if ("ended" in small.body) void small.body.ended.then(({ kind }) => (isLost = kind === "failed"));
    const large = await this.#askLarge(rule, asked);
    // Nothing of an answer that broke off meanwhile has gone to the caller.
    if (large.kind === "closed") return noted(isLost ? await askSmall(request) : small, { rule, closed: large.why });
    this.#compare(asked, small, large.answer);
    if (small.body instanceof Uint8Array) release(small.body);
    cancellation.cancel();
    return large.answer;
  }

  async #askLarge(rule: CascadeRule, asked: Asked): Promise<LargeEnd> {
    const large = this.#largeOf(asked);
    const opening = this.#openingOf(asked, large);
    const { to } = asked.cascade.spec;
    const { clock, demand } = this.#parts;
    if (large === undefined || opening.kind === "closed") {
      const why = opening.kind === "closed" ? opening.why : "unavailable";
      this.#callForReplicas(asked, why);
      this.#count(asked, rule, why);
      return { kind: "closed", why };
    }
    demand.arrived({ deployment: to, model: large.model }, clock.now());
    const ended = (): void => demand.ended(to);
    const end = await this.#execute(rule, asked, { large, opening });
    if (end.kind === "answered" && "ended" in end.answer.body) void end.answer.body.ended.then(ended);
    else ended();
    if (!asked.request.cancellation.isCancelled)
      this.#count(asked, rule, end.kind === "answered" ? "escalated" : end.why);
    return end;
  }

  /** A large model that follows demand gets replicas, unless requests like this one may go to none of its nodes. */
  #callForReplicas({ cascade, request }: Asked, why: CascadeClosing): void {
    if (!ENDED_BY_REPLICAS.has(why)) return;
    const { fleet, clock, demand } = this.#parts;
    const { to } = cascade.spec;
    const spec = fleet.snapshot().deployments.get(to)?.spec;
    const { residency } = cascade;
    const isEdgeOnly = request.residency === "edge-only";
    const isOfUse = (kind: NodeKind): boolean =>
      spec !== undefined && isAllowedOn(kind, { residency, isEdgeOnly }) && followsDemand(spec.placement, kind);
    if (spec === undefined || !nodeKind.options.some(isOfUse)) return;
    demand.arrived({ deployment: to, model: spec.model }, clock.now());
    demand.ended(to);
  }

  async #execute(
    rule: CascadeRule,
    asked: Asked,
    { large, opening }: { readonly large: Large; readonly opening: Extract<Opening, { kind: "open" }> },
  ): Promise<LargeEnd> {
    const { routes, telemetry, clock, random } = this.#parts;
    const { deployment, cascade, request, startedAt } = asked;
    const { uploadBudget } = cascade.spec;
    const { model, found } = large;
    const now = clock.now();
    const by = askedBy(asked);
    this.#breakers.sent(by);
    const bytes = bodyBytes(request);
    const budget = uploadBudget && this.#budgetOf(deployment, uploadBudget);
    const isEdgeOnly = cascade.residency === "edge-only";
    const stats = telemetry.ofModel(model);
    stats.retries.earn();
    const execution = new InferenceExecution(
      {
        request: { ...request, model, ...(isEdgeOnly && { residency: "edge-only" as const }) },
        startedAt,
        deadline: now + opening.withinMs,
        version: found.version,
        ready: found.ready,
        policy: found.policy,
        stats,
        gate: {
          mayAsk: ({ kind }) =>
            opening.kinds.has(kind) && (kind === "edge" || budget?.has(bytes, clock.now()) !== false),
          onAsked: ({ kind }) => {
            if (kind === "edge") return;
            budget?.take(bytes, clock.now());
            this.#parts.onOutcome({ kind: "uploaded", deployment, bytes });
          },
        },
      },
      { routes, clock, random },
    );
    const answer = await execution.run();
    const why = whyNotTaken(answer);
    if (why === undefined) {
      this.#breakers.watch(by, answer);
      const route = { ...answer.route, reason: "cascade" as const, cascade: { rule } };
      return { kind: "answered", answer: { ...answer, route } };
    }
    if (isFault(why, answer, opening.withinMs)) this.#breakers.failed(by);
    else this.#breakers.undecided(by);
    // The caller went away: nobody needs another answer.
    if (answer.code === "CANCELLED") return { kind: "answered", answer };
    if (answer.body instanceof Uint8Array) release(answer.body);
    else answer.body.cancel();
    return { kind: "closed", why };
  }

  #openingOf(asked: Asked, large: Large | undefined): Opening {
    const { deployment, cascade, request, deadline } = asked;
    const { clock } = this.#parts;
    const now = clock.now();
    const { uploadBudget } = cascade.spec;
    return openingOf({
      readyOn: new Set(large?.found.ready.map(({ kind }) => kind)),
      residency: cascade.residency,
      isEdgeOnly: request.residency === "edge-only",
      breaker: this.#breakers.of(askedBy(asked)),
      budget: uploadBudget && this.#budgetOf(deployment, uploadBudget),
      bytes: bodyBytes(request),
      deadline,
      now,
    });
  }

  /** Undefined while there is no such deployment, and when its model is of another kind. */
  #largeOf({ cascade, request: { sticky, session, asks = "tensors" } }: Asked): Large | undefined {
    const { fleet, routes, random } = this.#parts;
    const { to: name } = cascade.spec;
    const model = fleet.snapshot().deployments.get(name)?.spec.model;
    if (model === undefined) return undefined;
    const key = sticky ?? (session === undefined ? undefined : String(session));
    const found = resolveDeployment(routes.table(), { model, name, sticky: key }, random);
    return found?.asks === undefined || found.asks === asks ? found && { model, found } : undefined;
  }

  #budgetOf(
    deployment: string,
    { bytes, seconds }: { readonly bytes: number; readonly seconds: number },
  ): UploadBudget {
    const known = this.#budgets.get(deployment);
    if (known?.bytes === bytes && known.seconds === seconds) return known;
    const { deployments } = this.#parts.fleet.snapshot();
    for (const name of this.#budgets.keys()) if (!deployments.has(name)) this.#budgets.delete(name);
    const budget = new UploadBudget({ bytes, seconds });
    this.#budgets.set(deployment, budget);
    return budget;
  }

  /** Counts whether both models decide alike, where both answers are there: what the large model is asked for in vain. */
  #compare({ deployment, request }: Asked, small: InferenceResponse, large: InferenceResponse): void {
    if (request.asks === "text" || small.status !== 200) return;
    const { headerLength } = small;
    const [old, fresh] = [small.body, large.body];
    if (!(old instanceof Uint8Array) || !(fresh instanceof Uint8Array)) return;
    if (old.byteLength > MAX_COMPARED_BYTES || fresh.byteLength > MAX_COMPARED_BYTES) return;
    const { agrees } = compareBodies({ body: old, headerLength }, { body: fresh, headerLength: large.headerLength });
    this.#parts.onOutcome({ kind: "compared", deployment, agrees });
    this.#tallies.add(deployment, { compared: 1, agreed: agrees ? 1 : 0 });
  }

  #count({ deployment }: Asked, rule: CascadeRule | undefined, outcome: "escalated" | CascadeClosing): void {
    this.#parts.onOutcome({ kind: "asked", deployment, rule, outcome });
    if (outcome === "escalated") this.#tallies.add(deployment, { escalated: 1 });
  }
}

const askedBy = ({ cascade, request }: Asked): AskedBy => ({ to: cascade.spec.to, caller: request.caller ?? "" });

const noted = (answer: InferenceResponse, cascade: CascadeNote): InferenceResponse => ({
  ...answer,
  route: { ...answer.route, cascade },
});
