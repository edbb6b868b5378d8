import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { MAX_STREAM_ITEM_BYTES, type DesiredStream } from "../../../shared/protocol/streams.ts";
import type { LocalNode } from "../../ports/serving.ts";
import { waitingOf } from "../../core/streams/ledger.ts";
import type {
  Acceptance,
  OpenSource,
  SourceHandler,
  StreamEndpoints,
  StreamItem,
  StreamName,
  StreamSink,
  StreamStatus,
  StreamStore,
} from "../../ports/streams.ts";
import { DeliveryLoop } from "./delivery-loop.ts";
import { InferenceLoop } from "./inference-loop.ts";
import type { StreamClock } from "./stream-clock.ts";
import { Wakeup } from "./wakeup.ts";

export interface RunnerParts {
  readonly store: StreamStore;
  readonly endpoints: StreamEndpoints;
  readonly node: Pick<LocalNode, "placements" | "infer" | "name">;
  readonly time: StreamClock;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A stream that is declared no more keeps items for the model so long: its deployment may come back to this node. */
const ITEMS_KEPT_MS = 60_000;

/**
 * One declared stream at work: its source, the loop that infers and the loop that delivers, each at its own pace with the
 * store between them. Another declaration of the same stream is another runner over the same store.
 */
export class StreamRunner {
  readonly stream: StreamName;
  readonly spec: DesiredStream;
  readonly #parts: RunnerParts;
  readonly #items: Wakeup;
  readonly #results: Wakeup;
  readonly #stopping = new AbortController();
  readonly #inference: InferenceLoop;
  #delivery: DeliveryLoop | undefined;
  #source: OpenSource | undefined;
  #sink: StreamSink | undefined;
  #isPushed = false;
  #sourceWhy: string | undefined;
  #sinkWhy: string | undefined;
  #running: Promise<unknown> = Promise.resolve();
  /** When it was declared no more, by the clock's `now`. */
  #endedAt: number | undefined;
  #isAbandoned = false;

  constructor(stream: StreamName, spec: DesiredStream, parts: RunnerParts) {
    this.stream = stream;
    this.spec = spec;
    this.#parts = parts;
    this.#items = new Wakeup(parts.clock);
    this.#results = new Wakeup(parts.clock);
    this.#inference = new InferenceLoop({
      ...parts,
      stream,
      expiryMs: () => this.#expiryMs,
      arrived: this.#items,
      onResults: () => this.#results.wake(),
    });
  }

  /** Reads, infers and delivers from now on. The store knows the stream. */
  start(): void {
    this.#work();
    const { source: from } = this.spec;
    const source = this.#parts.endpoints.source(from);
    if (source === undefined)
      this.#sourceWhy = `this node offers no source ${from}; its streams file names those that it does`;
    else if (source.kind === "pushed") this.#isPushed = true;
    else this.#source = source.open(this.stream, this.#handler());
  }

  /** Works off what the disk holds of a stream that is declared no more. */
  startEnding(): void {
    this.#endedAt = this.#parts.clock.now();
    this.#work();
  }

  /** It is declared no more: reads nothing, and works off what it has. */
  async end(): Promise<void> {
    this.#endedAt = this.#parts.clock.now();
    this.#isPushed = false;
    this.#sourceWhy = undefined;
    await this.#source?.close();
    this.#source = undefined;
  }

  /** Whether an ended stream has nothing left. What its model has not seen for a minute is dropped first. */
  async isOver(): Promise<boolean> {
    const { clock, store } = this.#parts;
    if (this.#endedAt === undefined) return false;
    if (!this.#isAbandoned && clock.now() - this.#endedAt >= ITEMS_KEPT_MS) {
      await store.abandon(this.stream);
      this.#isAbandoned = true;
    }
    return waitingOf(store.ledger(this.stream)) === 0;
  }

  /** Reads nothing more, and ends what is under way. What is on the disk stays there. */
  async stop(): Promise<void> {
    await this.#source?.close();
    this.#stopping.abort(new Error("the stream stops"));
    await this.#running;
    await this.#sink?.close();
  }

  /** For items that come through the node's own API. Throws NOT_FOUND, QUEUE_FULL, STORAGE_FULL. */
  async push(item: StreamItem): Promise<Exclude<Acceptance, { kind: "full" }>> {
    const { deployment, name } = this.stream;
    if (!this.#isPushed)
      throw new SkerryError(
        "NOT_FOUND",
        `the items of ${deployment}/${name} come from ${this.spec.source}, not by HTTP`,
      );
    if (item.bytes.byteLength > MAX_STREAM_ITEM_BYTES) {
      await this.#parts.store.reject(this.stream, "too-large");
      return { kind: "dropped", reason: "too-large" };
    }
    const [acceptance] = await this.#accept([item]);
    if (acceptance !== undefined && acceptance.kind !== "full") return acceptance;
    throw new SkerryError(
      "QUEUE_FULL",
      `${deployment}/${name} holds ${this.spec.maxMiB} MiB that wait, and is declared to refuse more; retry after Retry-After`,
      { retryAfterMs: 1_000 },
    );
  }

  status(): StreamStatus {
    const { source, sink } = this.spec;
    const reasons = [this.#sourceWhy, this.#inference.why, this.#sinkWhy, this.#delivery?.why];
    const known = reasons.filter((why) => why !== undefined);
    const ledger = this.#parts.store.ledger(this.stream);
    const working = known.length === 0 ? "running" : "waiting";
    const state = this.#endedAt === undefined ? working : "ending";
    return { ...this.stream, source, sink, state, reasons: known, ledger };
  }

  #work(): void {
    const { sink: to } = this.spec;
    const loops = [this.#inference.run(this.#stopping.signal)];
    const sink = this.#parts.endpoints.sink(to);
    if (sink === undefined) this.#sinkWhy = `this node offers no sink ${to}; its streams file names those that it does`;
    else {
      this.#sink = sink.open(this.stream);
      const delivery = { ...this.#parts, stream: this.stream, sink: this.#sink, nodeName: this.#parts.node.name };
      this.#delivery = new DeliveryLoop({ ...delivery, expiryMs: () => this.#expiryMs, arrived: this.#results });
      loops.push(this.#delivery.run(this.#stopping.signal));
    }
    this.#running = Promise.all(loops);
  }

  get #expiryMs(): number {
    return this.spec.expirySeconds * 1_000;
  }

  #handler(): SourceHandler {
    return {
      accept: (items) => this.#accept(items),
      tooLarge: () => this.#parts.store.reject(this.stream, "too-large"),
      trouble: (why) => {
        this.#sourceWhy = why;
      },
    };
  }

  async #accept(items: readonly StreamItem[]): Promise<readonly Acceptance[]> {
    const { store, time } = this.#parts;
    const { maxMiB, whenFull } = this.spec;
    const bounds = { maxBytes: maxMiB * 1_048_576, whenFull, now: time.now() };
    const acceptances = await store.accept(this.stream, items, bounds);
    if (acceptances.some(({ kind }) => kind === "accepted")) this.#items.wake();
    return acceptances;
  }
}
