import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { FleetCounts, Metrics } from "../../ports.ts";

/** From 1 ms to the longest deadline, in seconds. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Beyond so many models, one more is counted as `other`: a label must not grow with the catalogue for ever. */
const MAX_MODELS = 500;

/** Metrics in Prometheus' text form, in a registry of their own, so that two control planes fit into one process. */
export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #models = new Set<string>();
  readonly #requests: Counter<"route" | "method" | "code">;
  readonly #requestSeconds: Histogram<"route">;
  readonly #inferences: Counter<"model" | "code">;
  readonly #inferenceSeconds: Histogram<"model">;
  readonly #pushed: Counter;

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
    this.#inferences = new Counter({
      name: "skerry_inferences_total",
      help: "Answered inferences by model and error code",
      labelNames: ["model", "code"],
      registers,
    });
    this.#inferenceSeconds = new Histogram({
      name: "skerry_inference_duration_seconds",
      help: "From the arrival of an inference until its answer",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    });
    this.#pushed = new Counter({
      name: "skerry_pushed_bytes_total",
      help: "Bytes of artifacts sent to nodes",
      registers,
    });
    const gauges = [
      { name: "skerry_nodes", help: "Nodes by state", read: ({ nodes }: FleetCounts) => nodes },
      { name: "skerry_placements", help: "Placements by state", read: ({ placements }: FleetCounts) => placements },
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

  inferenceAnswered({ model, code, seconds }: Parameters<Metrics["inferenceAnswered"]>[0]): void {
    const label = this.#modelLabel(model);
    this.#inferences.inc({ model: label, code });
    this.#inferenceSeconds.observe({ model: label }, seconds);
  }

  bytesPushed(bytes: number): void {
    this.#pushed.inc(bytes);
  }

  async render(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #modelLabel(model: string | undefined): string {
    if (model === undefined) return "none";
    if (this.#models.has(model)) return model;
    if (this.#models.size >= MAX_MODELS) return "other";
    this.#models.add(model);
    return model;
  }
}
