import type { ReachedLimit } from "./caller-limits.ts";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { DROP_REASONS, type Ledger } from "../../core/streams/ledger.ts";
import type { LocalStreams } from "../../ports/streams.ts";
import type { LocalNode, NodeTelemetry } from "../../ports/serving.ts";

const MIB = 1_048_576;
/** From an answer out of the cache of a small model to the longest deadline, in seconds. */
const BUCKETS_S = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** A link in the house answers in a millisecond, one over a satellite in a second. */
const RTT_BUCKETS_S = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];

/** What `/metrics` shows of one node. */
export class NodeMetrics implements NodeTelemetry {
  readonly #registry = new Registry();
  readonly #answers: Counter<"model" | "code">;
  readonly #seconds: Histogram<"model">;

  readonly #limits: Counter<"limit">;
  readonly #heartbeats: Histogram;
  #lastRttMs: number | undefined;

  constructor() {
    const registers = [this.#registry];
    this.#answers = new Counter({
      name: "skerry_node_inferences_total",
      help: "Requests that this node's own /v2 answered, by model and error code (OK when there was none).",
      labelNames: ["model", "code"],
      registers,
    });
    this.#seconds = new Histogram({
      name: "skerry_node_inference_seconds",
      help: "Time from the request's head to its answer at this node's own /v2.",
      labelNames: ["model"],
      buckets: BUCKETS_S,
      registers,
    });
    this.#limits = new Counter({
      name: "skerry_node_limits_reached_total",
      help: "Requests at this node's own address that a limit of keys refused, by limit.",
      labelNames: ["limit"],
      registers,
    });
    this.#heartbeats = new Histogram({
      name: "skerry_node_heartbeat_seconds",
      help: "Time from a heartbeat to the control plane's answer: the link, and how busy the two ends are.",
      buckets: RTT_BUCKETS_S,
      registers,
    });
  }

  /** Adds the gauges, which are read when somebody asks. Once. */
  watch(node: LocalNode): void {
    const registers = [this.#registry];
    new Gauge({
      name: "skerry_node_connected",
      help: "1 while there is a session with the control plane.",
      registers,
      collect() {
        this.set(node.isConnected() ? 1 : 0);
      },
    });
    new Gauge({
      name: "skerry_node_requests_in_flight",
      help: "Requests accepted and not yet answered, from all sides.",
      registers,
      collect() {
        this.set(node.load().rif);
      },
    });
    new Gauge({
      name: "skerry_node_placements",
      help: "Placements on this node by state.",
      labelNames: ["state"],
      registers,
      collect() {
        this.reset();
        for (const { state } of node.placements()) this.inc({ state });
      },
    });
    new Gauge({
      name: "skerry_node_shared_host_models",
      help: "Models in each model host that holds several.",
      labelNames: ["host"],
      registers,
      collect() {
        this.reset();
        for (const { host } of node.placements()) if (host !== undefined) this.inc({ host });
      },
    });
    new Gauge({
      name: "skerry_node_model_host_resident_bytes",
      help: "Resident memory of the process that runs a model version; in a shared host, what the version added to it.",
      labelNames: ["model", "version"],
      registers,
      collect() {
        this.reset();
        const named = new Map(node.placements().map((placement) => [placement.placementId, placement]));
        for (const { placementId, rssMiB } of node.load().placements) {
          const { model, version } = named.get(placementId) ?? {};
          if (model !== undefined && version !== undefined) this.inc({ model, version }, rssMiB * MIB);
        }
      },
    });
  }

  /** What pipelines keep of streams. Once. */
  watchKeptStreams(node: Pick<LocalNode, "keptStreams">): void {
    const registers = [this.#registry];
    new Gauge({
      name: "skerry_node_kept_streams",
      help: "Streams of which a pipeline on this node keeps something.",
      registers,
      collect() {
        this.set(node.keptStreams().streams);
      },
    });
    new Gauge({
      name: "skerry_node_kept_stream_bytes",
      help: "Bytes that pipelines on this node keep of streams.",
      registers,
      collect() {
        this.set(node.keptStreams().bytes);
      },
    });
    new Counter({
      name: "skerry_node_kept_streams_evicted_total",
      help: "Streams that begin anew, as there was no room for so many. Since the start of the program.",
      registers,
      collect() {
        this.reset();
        this.inc(node.keptStreams().evicted);
      },
    });
  }

  /** Of the last heartbeat that was answered; undefined before the first. */
  get lastRttMs(): number | undefined {
    return this.#lastRttMs;
  }

  /** Adds the figures of streams. Once. Each item is in exactly one outcome, or waits; the store counts them, not this process. */
  watchStreams(streams: LocalStreams): void {
    const registers = [this.#registry];
    new Counter({
      name: "skerry_node_stream_items_total",
      help: "Items that a stream has read, by what became of them; those that wait are in skerry_node_stream_waiting. Kept over restarts.",
      labelNames: ["deployment", "stream", "outcome"],
      registers,
      collect() {
        this.reset();
        for (const { deployment, name: stream, ledger } of streams.statuses())
          for (const [outcome, count] of outcomesOf(ledger)) this.inc({ deployment, stream, outcome }, count);
      },
    });
    new Gauge({
      name: "skerry_node_stream_waiting",
      help: "Items of a stream on the disk, by what they wait for: the model, or the sink.",
      labelNames: ["deployment", "stream", "for"],
      registers,
      collect() {
        this.reset();
        for (const { deployment, name: stream, ledger } of streams.statuses()) {
          this.set({ deployment, stream, for: "model" }, ledger.waiting.item);
          this.set({ deployment, stream, for: "sink" }, ledger.waiting.result);
        }
      },
    });
    new Gauge({
      name: "skerry_node_stream_waiting_bytes",
      help: "Bytes of a stream that wait on the disk.",
      labelNames: ["deployment", "stream"],
      registers,
      collect() {
        this.reset();
        for (const { deployment, name: stream, ledger } of streams.statuses())
          this.set({ deployment, stream }, ledger.waitingBytes);
      },
    });
  }

  limitReached(limit: ReachedLimit): void {
    this.#limits.inc({ limit });
  }

  heartbeatAnswered(rttMs: number): void {
    this.#lastRttMs = rttMs;
    this.#heartbeats.observe(rttMs / 1_000);
  }

  /** `model`: undefined when the URL named none of this node's, so that callers cannot make up series. */
  answered(model: string | undefined, code: string, seconds: number): void {
    this.#answers.inc({ model: model ?? "unknown", code });
    if (model !== undefined) this.#seconds.observe({ model }, seconds);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

const outcomesOf = ({ delivered, deduplicated, expired, dropped }: Ledger): readonly (readonly [string, number])[] => [
  ["delivered", delivered],
  ["deduplicated", deduplicated],
  ["expired", expired],
  ...DROP_REASONS.map((reason) => [`dropped-${reason}`, dropped[reason]] as const),
];
