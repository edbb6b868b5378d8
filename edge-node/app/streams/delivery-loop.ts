import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { fullJitter } from "../../../shared/flow/backoff.ts";
import type { Settlement, StoredItem, StreamName, StreamResult, StreamSink, StreamStore } from "../../ports/streams.ts";
import { Wakeup } from "./wakeup.ts";

const BATCH_RESULTS = 64;
const BATCH_BYTES = 4 * 1_048_576;
const RETRY = { baseMs: 500, maxMs: 30_000 };
const LOOK_MS = 30_000;

interface Parts {
  readonly stream: StreamName;
  readonly nodeName: string;
  readonly store: StreamStore;
  readonly sink: StreamSink;
  readonly expiryMs: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly arrived: Wakeup;
}

/**
 * Delivers results, oldest first. A result counts as delivered when its sink has taken it and that is on the disk; killed in
 * between, the node sends it again under the same idempotency key. While the sink is away it tries again, with full jitter,
 * until the results expire.
 */
export class DeliveryLoop {
  readonly #parts: Parts;
  /** Nothing wakes it. */
  readonly #rest: Wakeup;
  #why: string | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#rest = new Wakeup(parts.clock);
  }

  /** Why nothing can be delivered now; undefined: it can. */
  get why(): string | undefined {
    return this.#why;
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, arrived } = this.#parts;
    let attempt = 0;
    while (!signal.aborted) {
      const step = await this.#step(signal).catch((error: unknown) => ({
        kind: "later" as const,
        why: messageOf(error),
        retryAfterMs: 0,
      }));
      if (signal.aborted) return;
      this.#changed(step.kind === "later" ? step.why : undefined);
      if (step.kind === "empty") await arrived.wait(LOOK_MS, signal);
      // Results that come meanwhile do not wake it: they have to wait behind the others.
      if (step.kind === "later") await this.#rest.wait(step.retryAfterMs + fullJitter(RETRY, attempt, random), signal);
      attempt = step.kind === "later" ? attempt + 1 : 0;
    }
  }

  async #step(signal: AbortSignal) {
    const { store, stream, sink, clock, expiryMs, logger } = this.#parts;
    const bounds = { items: BATCH_RESULTS, bytes: BATCH_BYTES, expireBefore: clock.wallNow() - expiryMs() };
    const stored = await store.take(stream, "result", bounds);
    if (stored.length === 0) return { kind: "empty" as const };
    const deliveries = await sink.deliver(
      stored.map((each) => this.#result(each)),
      signal,
    );
    const settlements: Settlement[] = [];
    for (const [index, delivery] of deliveries.entries()) {
      const position = stored[index]?.position;
      if (position === undefined || delivery.kind === "later") continue;
      if (delivery.kind === "delivered") settlements.push({ position, outcome: { kind: "delivered" } });
      else {
        logger.warn(
          { ...stream, position, why: delivery.why },
          "a result of a stream was dropped: its sink refuses it",
        );
        settlements.push({ position, outcome: { kind: "dropped", reason: "sink-refused" } });
      }
    }
    if (settlements.length > 0) await store.settle(stream, settlements);
    const later = deliveries.find((delivery) => delivery.kind === "later");
    if (later === undefined) return { kind: "done" as const };
    return { kind: "later" as const, why: later.why, retryAfterMs: later.retryAfterMs ?? 0 };
  }

  /** Positions rise within one node's store; the time tells two stores of one node apart, when its disk was replaced. */
  #result({ position, key, bytes, acceptedAt }: StoredItem): StreamResult {
    const { nodeName, stream } = this.#parts;
    const idempotencyKey = `${nodeName}/${stream.deployment}/${stream.name}/${acceptedAt}-${position}`;
    return { position, acceptedAt, idempotencyKey, key, body: bytes };
  }

  #changed(why: string | undefined): void {
    const { logger, stream } = this.#parts;
    if ((why === undefined) !== (this.#why === undefined)) {
      if (why === undefined) logger.info({ ...stream }, "the sink of a stream takes results again");
      else logger.warn({ ...stream, why }, "the results of a stream wait on the disk");
    }
    this.#why = why;
  }
}
