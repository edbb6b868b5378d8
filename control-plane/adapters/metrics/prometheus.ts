import { collectDefaultMetrics, Registry } from "prom-client";
import { Observations } from "./buffered.ts";
import { registerFleetGauges } from "./fleet-gauges.ts";
import { registerSeries, type Series } from "./series.ts";
import type { RolloutFacts } from "../../core/rollout/facts.ts";
import type {
  CascadeOutcome,
  FleetCounts,
  MeasuredInference,
  MeasuredStoreRequest,
  MeasuredText,
  Metrics,
  ReachedLimit,
} from "../../ports/metrics.ts";

/** Beyond so many values of a label, one more is counted as `other`: the number of series must not grow with the catalog. */
const MAX_VALUES = 500;

interface ModelSeries {
  readonly total: Observations;
  readonly queue: Observations;
  readonly compute: Observations;
}

/** Metrics in Prometheus' text form, in a registry of their own, so that two control planes fit into one process. */
export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #series: Series;
  readonly #models = new Label();
  readonly #versions = new Label();
  readonly #nodes = new Label();
  /** The series of a model, by its name. */
  readonly #byModel = new Map<string, ModelSeries>();
  readonly #deployments = new Label();

  /** `counts` is asked on every scrape. */
  constructor(counts: () => FleetCounts) {
    collectDefaultMetrics({ register: this.#registry });
    this.#series = registerSeries(this.#registry);
    registerFleetGauges(this.#registry, counts);
  }

  requestAnswered({ route, method, status, seconds }: Parameters<Metrics["requestAnswered"]>[0]): void {
    this.#series.requests.inc({ route, method, code: status });
    this.#series.requestSeconds.observe({ route }, seconds);
  }

  inferenceAnswered(inference: MeasuredInference): void {
    const { code, seconds, queueSeconds, computeSeconds, reason } = inference;
    const model = this.#models.of(inference.model);
    this.#series.inferences.add(model, numberOf(this.#versions.of(inference.modelVersion)), code);
    const series = this.#modelSeries(model);
    series.total.add(seconds);
    if (inference.node !== undefined) this.#series.nodeInferences.add(this.#nodes.of(inference.node), code);
    if (reason !== undefined) this.#series.routes.add(reason);
    if (queueSeconds !== undefined) series.queue.add(queueSeconds);
    if (computeSeconds !== undefined) series.compute.add(computeSeconds);
  }

  textAnswered({ model: name, usage, firstSeconds, restSeconds }: MeasuredText): void {
    const model = this.#models.of(name);
    const { promptTokens, cachedTokens, outputTokens } = usage;
    this.#series.tokens.inc({ model, kind: "prompt" }, promptTokens);
    this.#series.tokens.inc({ model, kind: "cached" }, cachedTokens);
    this.#series.tokens.inc({ model, kind: "output" }, outputTokens);
    this.#series.firstTokenSeconds.observe({ model }, firstSeconds);
    if (outputTokens > 1) this.#series.tokenSeconds.observe({ model }, restSeconds / (outputTokens - 1));
  }

  embeddingsAnswered({ model, usage }: Pick<MeasuredText, "model" | "usage">): void {
    this.#series.embeddingTokens.inc({ model: this.#models.of(model) }, usage.promptTokens);
  }

  #modelSeries(model: string): ModelSeries {
    let series = this.#byModel.get(model);
    if (series === undefined) {
      series = {
        total: new Observations(this.#series.inferenceSeconds.labels(model)),
        queue: new Observations(this.#series.queueSeconds.labels(model)),
        compute: new Observations(this.#series.computeSeconds.labels(model)),
      };
      this.#byModel.set(model, series);
    }
    return series;
  }

  bytesPushed(bytes: number): void {
    this.#series.pushed.inc(bytes);
  }

  objectStoreAsked({ operation, isAnswered, seconds }: MeasuredStoreRequest): void {
    this.#series.objectStoreSeconds.observe({ operation, outcome: isAnswered ? "answered" : "failed" }, seconds);
  }

  cascade(outcome: CascadeOutcome): void {
    const deployment = this.#deployments.of(outcome.deployment);
    if (outcome.kind === "uploaded") this.#series.cascadeBytes.inc({ deployment }, outcome.bytes);
    else if (outcome.kind === "compared")
      this.#series.cascadeComparisons.inc({ deployment, agrees: String(outcome.agrees) });
    else this.#series.cascades.inc({ deployment, rule: outcome.rule ?? "none", outcome: outcome.outcome });
  }

  rolloutWritten({ deployment: name, steps, left, returns, pauses, checks }: RolloutFacts): void {
    const deployment = this.#deployments.of(name);
    for (const step of steps) this.#series.rolloutSteps.inc({ deployment, step });
    if (returns !== undefined) this.#series.rolloutReturns.inc({ deployment, reason: returns });
    if (pauses !== undefined) this.#series.rolloutPauses.inc({ deployment, reason: pauses });
    for (const { check, result } of checks) this.#series.rolloutChecks.inc({ check, result });
    if (left !== undefined) this.#series.rolloutPhaseSeconds.observe({ phase: left.phase }, left.ms / 1_000);
  }

  rolloutAnswered({ deployment, version, isSample, isError }: Parameters<Metrics["rolloutAnswered"]>[0]): void {
    const from = isSample ? "samples" : "callers";
    this.#series.rolloutRequests.add(this.#deployments.of(deployment), version, from, isError ? "error" : "ok");
  }

  rolloutCompared({ deployment, agrees }: Parameters<Metrics["rolloutCompared"]>[0]): void {
    this.#series.rolloutComparisons.inc({ deployment: this.#deployments.of(deployment), agrees: String(agrees) });
  }

  limitReached(limit: ReachedLimit): void {
    this.#series.limitsReached.inc({ limit });
  }

  nodeSocketEnded(reason: string): void {
    this.#series.nodeSocketsEnded.inc({ reason });
  }

  loginAnswered({ by, isAdmitted }: Parameters<Metrics["loginAnswered"]>[0]): void {
    this.#series.logins.inc({ by, outcome: isAdmitted ? "admitted" : "refused" });
  }

  eventsDropped(count: number): void {
    this.#series.eventsDropped.inc(count);
  }

  async render(): Promise<{ contentType: string; text: string }> {
    const { inferences, nodeInferences, routes, rolloutRequests } = this.#series;
    for (const tally of [inferences, nodeInferences, routes, rolloutRequests]) tally.flush();
    for (const { total, queue, compute } of this.#byModel.values())
      for (const observations of [total, queue, compute]) observations.flush();
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}

/** `3` of `digits:3`: the model has a label of its own. */
const numberOf = (modelVersion: string): string => modelVersion.slice(modelVersion.indexOf(":") + 1);

/** The values of one label, up to a bound. */
class Label {
  readonly #values = new Set<string>();

  of(value: string | undefined): string {
    if (value === undefined) return "none";
    if (this.#values.has(value)) return value;
    if (this.#values.size >= MAX_VALUES) return "other";
    this.#values.add(value);
    return value;
  }
}
