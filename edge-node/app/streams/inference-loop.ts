import type { Clock } from "../../../shared/base/clock.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import { Cancellation } from "../../../shared/flow/cancellation.ts";
import type { LocalNode } from "../../ports/serving.ts";
import type { Settlement, StoredItem, StreamName, StreamStore } from "../../ports/streams.ts";
import { inferItem } from "./stream-model.ts";
import type { StreamClock } from "./stream-clock.ts";
import type { Wakeup } from "./wakeup.ts";
import { type Step, WorkLoop } from "./work-loop.ts";

/** Items of one transaction, and their bytes: what the node holds in memory of one stream. */
const BATCH_ITEMS = 64;
const BATCH_BYTES = 8 * 1_048_576;
const RETRY = { baseMs: 200, maxMs: 5_000 };
const LEAST_RETRY_MS = 100;
/** An item that ends its model host, or its deadline, so often is dropped. */
const MAX_OWN_FAULTS = 3;
/** Looked at so often without a wake, so that waiting items expire. */
const LOOK_MS = 30_000;

interface Parts {
  readonly stream: StreamName;
  readonly store: StreamStore;
  readonly node: Pick<LocalNode, "placements" | "infer" | "name">;
  readonly expiryMs: () => number;
  readonly time: StreamClock;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Items have come. */
  readonly arrived: Wakeup;
  /** Results are there to be delivered. */
  readonly onResults: () => void;
}

interface ChainEnd {
  readonly settled: readonly Settlement[];
  readonly why: string | undefined;
}

/**
 * Sends what was read through the model. Items of one key go one after another, those of different keys together; what they
 * became is stored in one transaction. While the model cannot answer they wait on the disk.
 */
export class InferenceLoop {
  readonly #parts: Parts;
  readonly #loop: WorkLoop;
  readonly #faults = new Map<number, number>();

  constructor(parts: Parts) {
    const { logger, stream } = parts;
    this.#parts = parts;
    this.#loop = new WorkLoop({
      ...parts,
      retry: RETRY,
      step: (signal) => this.#step(signal),
      onChange: (why) => {
        if (why === undefined) logger.info({ ...stream }, "the items of a stream reach its model again");
        else logger.warn({ ...stream, why }, "the items of a stream wait on the disk");
      },
    });
  }

  /** Why nothing can be inferred now; undefined: it can. */
  get why(): string | undefined {
    return this.#loop.why;
  }

  /** Runs until the signal is aborted. */
  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  async #step(signal: AbortSignal): Promise<Step> {
    const { store, stream, time, expiryMs, onResults } = this.#parts;
    const bounds = { items: BATCH_ITEMS, bytes: BATCH_BYTES, expiryMs: expiryMs(), now: time.now() };
    const items = await store.take(stream, "item", bounds);
    if (items.length === 0) return { kind: "empty", forMs: LOOK_MS };
    const cancellation = new Cancellation();
    const cancel = (): void => cancellation.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    const chains = [...Map.groupBy(items, ({ key }) => key).values()];
    const ends = await this.#allOf(chains, cancellation);
    signal.removeEventListener("abort", cancel);
    const settlements = ends.flatMap(({ settled }) => settled);
    if (settlements.length > 0) await store.settle(stream, settlements);
    for (const { position } of settlements) this.#faults.delete(position);
    if (settlements.some(({ outcome }) => outcome.kind === "inferred")) onResults();
    const why = ends.find((end) => end.why !== undefined)?.why;
    if (settlements.length === 0 && why !== undefined) return { kind: "later", why, leastMs: LEAST_RETRY_MS };
    return { kind: "done", pauseMs: 0 };
  }

  /**
   * Together; one after another while one of them has ended its model host or its deadline: then what does it again is that one, and
   * the others are not counted as failed with it.
   */
  async #allOf(chains: readonly (readonly StoredItem[])[], cancellation: Cancellation): Promise<readonly ChainEnd[]> {
    const positions = new Set(chains.flat().map(({ position }) => position));
    for (const position of this.#faults.keys()) if (!positions.has(position)) this.#faults.delete(position);
    if (this.#faults.size === 0) return Promise.all(chains.map((chain) => this.#inOrder(chain, cancellation)));
    const ends: ChainEnd[] = [];
    for (const chain of chains) ends.push(await this.#inOrder(chain, cancellation));
    return ends;
  }

  /** Items of one key, until one has to wait. */
  async #inOrder(chain: readonly StoredItem[], cancellation: Cancellation): Promise<ChainEnd> {
    const { node, stream, logger } = this.#parts;
    const settled: Settlement[] = [];
    for (const item of chain) {
      const { position } = item;
      const end = await inferItem(item, stream, { node, cancellation });
      if (end.kind === "inferred") settled.push({ position, outcome: end });
      else if (end.kind === "dropped") {
        logger.warn({ ...stream, position, reason: end.reason, why: end.why }, "an item of a stream was dropped");
        settled.push({ position, outcome: { kind: "dropped", reason: end.reason } });
      } else if (end.isItsOwn && this.#isHopeless(position)) {
        logger.warn(
          { ...stream, position, why: end.why },
          "an item of a stream was dropped: its model failed on it again",
        );
        settled.push({ position, outcome: { kind: "dropped", reason: "failed" } });
      } else return { settled, why: end.why };
    }
    return { settled, why: undefined };
  }

  #isHopeless(position: number): boolean {
    const faults = (this.#faults.get(position) ?? 0) + 1;
    this.#faults.set(position, faults);
    return faults >= MAX_OWN_FAULTS;
  }
}
