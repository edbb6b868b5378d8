import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { Observations, Tally } from "./buffered.ts";
import type {
  CascadeOutcome,
  FleetCounts,
  MeasuredInference,
  MeasuredStoreRequest,
  MeasuredText,
  Metrics,
  ReachedLimit,
} from "../../ports/metrics.ts";

/** From 1 ms to the longest deadline, in seconds. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
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
  readonly #models = new Label();
  readonly #versions = new Label();
  readonly #nodes = new Label();
  readonly #requests: Counter<"route" | "method" | "code">;
  readonly #requestSeconds: Histogram<"route">;
  readonly #inferences: Tally<"model" | "version" | "code">;
  readonly #nodeInferences: Tally<"node" | "code">;
  readonly #routes: Tally<"reason">;
  readonly #queueSeconds: Histogram<"model">;
  readonly #computeSeconds: Histogram<"model">;
  readonly #inferenceSeconds: Histogram<"model">;
  /** The series of a model, by its name. */
  readonly #seriesOf = new Map<string, ModelSeries>();
  readonly #tokens: Counter<"model" | "kind">;
  readonly #embeddingTokens: Counter<"model">;
  readonly #firstTokenSeconds: Histogram<"model">;
  readonly #tokenSeconds: Histogram<"model">;
  readonly #pushed: Counter;
  readonly #objectStoreSeconds: Histogram<"operation" | "outcome">;
  readonly #eventsDropped: Counter;
  readonly #deployments = new Label();
  readonly #cascades: Counter<"deployment" | "rule" | "outcome">;
  readonly #cascadeComparisons: Counter<"deployment" | "agrees">;
  readonly #cascadeBytes: Counter<"deployment">;
  readonly #limitsReached: Counter<"limit">;
  readonly #logins: Counter<"by" | "outcome">;

  /** `counts` is asked on every scrape. */
  constructor(counts: () => FleetCounts) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Counter({
      name: "skerry_http_requests_total",
      help: "Answered HTTP requests",
      labelNames: ["route", "method", "code"],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: "skerry_http_request_duration_seconds",
      help: "From the arrival of a request until its answer began",
      labelNames: ["route"],
      buckets: SECONDS,
      registers,
    });
    this.#inferences = new Tally({
      name: "skerry_inferences_total",
      help: "Answered inferences by model, version and error code",
      labelNames: ["model", "version", "code"],
      registers,
    });
    this.#nodeInferences = new Tally({
      name: "skerry_node_answers_total",
      help: "Inferences that came to their end at a node, by error code: the share and the faults of each node",
      labelNames: ["node", "code"],
      registers,
    });
    this.#routes = new Tally({
      name: "skerry_routes_total",
      help: "Inferences by the reason of their route, as in the header Skerry-Route",
      labelNames: ["reason"],
      registers,
    });
    this.#queueSeconds = new Histogram({
      name: "skerry_inference_queue_seconds",
      help: "Time of an inference in its node's queue",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    });
    this.#computeSeconds = new Histogram({
      name: "skerry_inference_compute_seconds",
      help: "Time of the run that answered an inference",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    });
    this.#inferenceSeconds = new Histogram({
      name: "skerry_inference_duration_seconds",
      help: "From the arrival of an inference until its answer",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    });
    this.#tokens = new Counter({
      name: "skerry_text_tokens_total",
      help: "Tokens of requests for text, answered whole or in part: of prompts, of prompts that were in the cache, of answers",
      labelNames: ["model", "kind"],
      registers,
    });
    this.#firstTokenSeconds = new Histogram({
      name: "skerry_text_first_token_seconds",
      help: "From the arrival of a request for text until its first token",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    });
    this.#tokenSeconds = new Histogram({
      name: "skerry_text_token_seconds",
      help: "Mean time of a token of an answer, after its first",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    });
    this.#embeddingTokens = new Counter({
      name: "skerry_embedding_tokens_total",
      help: "Tokens of texts that were answered by their embeddings",
      labelNames: ["model"],
      registers,
    });
    this.#limitsReached = new Counter({
      name: "skerry_limits_reached_total",
      help: "Requests that were refused because of a limit of their key or address",
      labelNames: ["limit"],
      registers: [this.#registry],
    });
    this.#logins = new Counter({
      name: "skerry_logins_total",
      help: "Sessions in browsers that were asked for, by what was shown and whether it was taken",
      labelNames: ["by", "outcome"],
      registers,
    });
    this.#eventsDropped = new Counter({
      name: "skerry_events_dropped_total",
      help: "Events that were not kept: a node's log beyond its budget, or too many while PostgreSQL is away",
      registers,
    });
    this.#cascades = new Counter({
      name: "skerry_cascades_total",
      help: "Requests of cascades for which a rule asked for the large model, by what became of that; rule none: the cascade was closed before",
      labelNames: ["deployment", "rule", "outcome"],
      registers,
    });
    this.#cascadeComparisons = new Counter({
      name: "skerry_cascade_comparisons_total",
      help: "Requests of cascades that both models answered, by whether they decide alike",
      labelNames: ["deployment", "agrees"],
      registers,
    });
    this.#cascadeBytes = new Counter({
      name: "skerry_cascade_uploaded_bytes_total",
      help: "Bytes of requests that went to cloud nodes because of a cascade",
      labelNames: ["deployment"],
      registers,
    });
    this.#pushed = new Counter({
      name: "skerry_pushed_bytes_total",
      help: "Bytes of artifacts sent to nodes",
      registers,
    });
    this.#objectStoreSeconds = new Histogram({
      name: "skerry_object_store_seconds",
      help: "From a request to the object store until its answer began, with its repetitions",
      labelNames: ["operation", "outcome"],
      buckets: SECONDS,
      registers,
    });
    const gauges = [
      { name: "skerry_nodes", help: "Nodes by state", read: ({ nodes }: FleetCounts) => nodes },
      { name: "skerry_placements", help: "Placements by state", read: ({ placements }: FleetCounts) => placements },
      {
        name: "skerry_rollouts",
        help: "Newest rollouts of deployments by phase",
        read: ({ rollouts }: FleetCounts) => rollouts,
      },
    ];
    for (const { name, help, read } of gauges) {
      new Gauge({
        name,
        help,
        labelNames: ["state"],
        registers,
        collect() {
          for (const [state, count] of read(counts())) this.set({ state }, count);
        },
      });
    }
    new Gauge({
      name: "skerry_inferences_in_flight",
      help: "Inferences that are at nodes now",
      registers,
      collect() {
        this.set(counts().inFlight);
      },
    });
    new Gauge({
      name: "skerry_cloud_pool_pods",
      help: "Pods of each pool of cloud nodes: wanted, ready, and asked for but not ready; shown by the leader",
      labelNames: ["pool", "state"],
      registers,
      collect() {
        this.reset();
        for (const { name, wanted, ready, pending } of counts().pools)
          for (const [state, count] of Object.entries({ wanted, ready, pending }))
            this.set({ pool: name, state }, count);
      },
    });
    new Gauge({
      name: "skerry_peer_links",
      help: "Other control planes that hold nodes, by whether requests can be forwarded to them",
      labelNames: ["state"],
      registers,
      collect() {
        for (const [state, count] of Object.entries(counts().peers)) this.set({ state }, count);
      },
    });
    new Gauge({
      name: "skerry_tls_certificate_end_timestamp_seconds",
      help: "When the certificate that is shown to callers ends, in seconds since 1970",
      registers,
      collect() {
        const { certificateEndsAt } = counts();
        if (certificateEndsAt === undefined) this.remove();
        else this.set(certificateEndsAt / 1_000);
      },
    });
    new Gauge({
      name: "skerry_watches",
      help: "Open streams of changes, by what is followed",
      labelNames: ["of"],
      registers,
      collect() {
        for (const [of, count] of Object.entries(counts().watches)) this.set({ of }, count);
      },
    });
    new Gauge({
      name: "skerry_deployments",
      help: "Declared deployments",
      registers,
      collect() {
        this.set(counts().deployments);
      },
    });
  }

  requestAnswered({ route, method, status, seconds }: Parameters<Metrics["requestAnswered"]>[0]): void {
    this.#requests.inc({ route, method, code: status });
    this.#requestSeconds.observe({ route }, seconds);
  }

  inferenceAnswered(inference: MeasuredInference): void {
    const { code, seconds, queueSeconds, computeSeconds, reason } = inference;
    const model = this.#models.of(inference.model);
    this.#inferences.add(model, numberOf(this.#versions.of(inference.modelVersion)), code);
    const series = this.#series(model);
    series.total.add(seconds);
    if (inference.node !== undefined) this.#nodeInferences.add(this.#nodes.of(inference.node), code);
    if (reason !== undefined) this.#routes.add(reason);
    if (queueSeconds !== undefined) series.queue.add(queueSeconds);
    if (computeSeconds !== undefined) series.compute.add(computeSeconds);
  }

  textAnswered({ model: name, usage, firstSeconds, restSeconds }: MeasuredText): void {
    const model = this.#models.of(name);
    const { promptTokens, cachedTokens, outputTokens } = usage;
    this.#tokens.inc({ model, kind: "prompt" }, promptTokens);
    this.#tokens.inc({ model, kind: "cached" }, cachedTokens);
    this.#tokens.inc({ model, kind: "output" }, outputTokens);
    this.#firstTokenSeconds.observe({ model }, firstSeconds);
    if (outputTokens > 1) this.#tokenSeconds.observe({ model }, restSeconds / (outputTokens - 1));
  }

  embeddingsAnswered({ model, usage }: Pick<MeasuredText, "model" | "usage">): void {
    this.#embeddingTokens.inc({ model: this.#models.of(model) }, usage.promptTokens);
  }

  #series(model: string): ModelSeries {
    let series = this.#seriesOf.get(model);
    if (series === undefined) {
      series = {
        total: new Observations(this.#inferenceSeconds.labels(model)),
        queue: new Observations(this.#queueSeconds.labels(model)),
        compute: new Observations(this.#computeSeconds.labels(model)),
      };
      this.#seriesOf.set(model, series);
    }
    return series;
  }

  bytesPushed(bytes: number): void {
    this.#pushed.inc(bytes);
  }

  objectStoreAsked({ operation, isAnswered, seconds }: MeasuredStoreRequest): void {
    this.#objectStoreSeconds.observe({ operation, outcome: isAnswered ? "answered" : "failed" }, seconds);
  }

  cascade(outcome: CascadeOutcome): void {
    const deployment = this.#deployments.of(outcome.deployment);
    if (outcome.kind === "uploaded") this.#cascadeBytes.inc({ deployment }, outcome.bytes);
    else if (outcome.kind === "compared") this.#cascadeComparisons.inc({ deployment, agrees: String(outcome.agrees) });
    else this.#cascades.inc({ deployment, rule: outcome.rule ?? "none", outcome: outcome.outcome });
  }

  limitReached(limit: ReachedLimit): void {
    this.#limitsReached.inc({ limit });
  }

  loginAnswered({ by, isAdmitted }: Parameters<Metrics["loginAnswered"]>[0]): void {
    this.#logins.inc({ by, outcome: isAdmitted ? "admitted" : "refused" });
  }

  eventsDropped(count: number): void {
    this.#eventsDropped.inc(count);
  }

  async render(): Promise<{ contentType: string; text: string }> {
    for (const tally of [this.#inferences, this.#nodeInferences, this.#routes]) tally.flush();
    for (const { total, queue, compute } of this.#seriesOf.values())
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
