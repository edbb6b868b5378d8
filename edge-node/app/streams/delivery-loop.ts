import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type {
  Delivery,
  Settlement,
  StoredItem,
  StreamName,
  StreamResult,
  StreamSink,
  StreamStore,
} from "../../ports/streams.ts";
import { ResultsSetAside } from "./set-aside.ts";
import type { StreamClock } from "./stream-clock.ts";
import type { Wakeup } from "./wakeup.ts";
import { type Step, WorkLoop } from "./work-loop.ts";

const BATCH_BYTES = 4 * 1_048_576;
const RETRY = { baseMs: 500, maxMs: 30_000 };
const LOOK_MS = 30_000;

interface Parts {
  readonly stream: StreamName;
  readonly nodeName: string;
  readonly store: StreamStore;
  readonly sink: StreamSink;
  readonly expiryMs: () => number;
  readonly time: StreamClock;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly arrived: Wakeup;
}

/**
 * Delivers results, oldest first. A result counts as delivered when its sink has taken it and that is on the disk; killed in
 * between, the node sends it again under the same idempotency key. While the sink is away it tries again, with full jitter,
 * until the results expire. A result that a sink without order fails on while it takes others is set aside meanwhile.
 */
export class DeliveryLoop {
  readonly #parts: Parts;
  readonly #loop: WorkLoop;
  readonly #aside: ResultsSetAside;

  constructor(parts: Parts) {
    const { logger, stream } = parts;
    this.#parts = parts;
    this.#aside = new ResultsSetAside(parts.random);
    this.#loop = new WorkLoop({
      ...parts,
      retry: RETRY,
      step: (signal) => this.#step(signal),
      onChange: (why) => {
        if (why === undefined) logger.info({ ...stream }, "the sink of a stream takes results again");
        else logger.warn({ ...stream, why }, "the results of a stream wait on the disk");
      },
    });
  }

  /** Why something cannot be delivered now; undefined: all can. */
  get why(): string | undefined {
    return this.#loop.why ?? this.#aside.why;
  }

  /** Runs until the signal is aborted. */
  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  async #step(signal: AbortSignal): Promise<Step> {
    const { store, stream, sink, clock, time, expiryMs } = this.#parts;
    const skip = this.#aside.notDue(clock.now());
    const bounds = { items: sink.batchItems, bytes: BATCH_BYTES, expiryMs: expiryMs(), now: time.now(), skip };
    const stored = await store.take(stream, "result", bounds);
    this.#forgetGone(stored, skip);
    if (stored.length === 0) return { kind: "empty", forMs: this.#aside.nextInMs(clock.now(), LOOK_MS) };
    const deliveries = await sink.deliver(
      stored.map((each) => this.#result(each)),
      signal,
    );
    const settlements = deliveries.flatMap((delivery, index) => this.#settlement(delivery, stored[index]));
    if (settlements.length > 0) await store.settle(stream, settlements);
    for (const { position } of settlements) this.#aside.delete(position);
    const later = this.#firstLater(deliveries, stored, settlements.length > 0);
    if (later !== undefined) return { kind: "later", why: later.why, leastMs: later.retryAfterMs ?? 0 };
    return { kind: "done", pauseMs: stored.length < sink.batchItems ? sink.gatherMs : 0 };
  }

  #settlement(delivery: Delivery, stored: StoredItem | undefined): readonly Settlement[] {
    if (stored === undefined || delivery.kind === "later") return [];
    const { position } = stored;
    if (delivery.kind === "delivered") return [{ position, outcome: { kind: "delivered" } }];
    const { logger, stream } = this.#parts;
    logger.warn({ ...stream, position, why: delivery.why }, "a result of a stream was dropped: its sink refuses it");
    return [{ position, outcome: { kind: "dropped", reason: "sink-refused" } }];
  }

  /**
   * The first that could not be delivered and holds back the rest. One that was not delivered while others were is set aside: the
   * sink is there, and it may be this result that it fails on.
   */
  #firstLater(deliveries: readonly Delivery[], stored: readonly StoredItem[], takesOthers: boolean) {
    const { sink, clock } = this.#parts;
    let first: Extract<Delivery, { kind: "later" }> | undefined;
    for (const [index, delivery] of deliveries.entries()) {
      const position = stored[index]?.position;
      if (delivery.kind !== "later" || position === undefined) continue;
      const isItsOwn = !sink.keepsOrder && (takesOthers || this.#aside.has(position));
      const now = clock.now();
      const isAside =
        isItsOwn && this.#aside.add(position, { now, why: delivery.why, leastMs: delivery.retryAfterMs ?? 0 });
      if (!isAside) first ??= delivery;
    }
    return first;
  }

  /** Those that were due and are the oldest, but were not there: they have expired, or were dropped. */
  #forgetGone(stored: readonly StoredItem[], skipped: readonly number[]): void {
    const here = new Set([...skipped, ...stored.map(({ position }) => position)]);
    for (const position of this.#aside.positions()) if (!here.has(position)) this.#aside.delete(position);
  }

  /** Positions rise within one node's store; the time tells two stores of one node apart, when its disk was replaced. */
  #result({ position, key, bytes, acceptedAt }: StoredItem): StreamResult {
    const { nodeName, stream } = this.#parts;
    const idempotencyKey = `${nodeName}/${stream.deployment}/${stream.name}/${acceptedAt}-${position}`;
    return { position, acceptedAt, idempotencyKey, key, body: bytes };
  }
}
