import type { Clock } from "../../../shared/base/clock.ts";
import { isSkerryError } from "../../../shared/base/errors.ts";
import type { Random } from "../../../shared/base/random.ts";
import { fullJitter, type BackoffPolicy } from "../../../shared/flow/backoff.ts";
import { TokenBucket, type Rate } from "../../../shared/flow/token-bucket.ts";

/** `again`: something that the state says already is in the way, and it is not known when that ends. */
export type Outcome = "done" | "again";

interface Parts {
  /** Makes what is so be what is declared of one key. Called again later after `again` and after a throw. */
  readonly work: (key: string) => Promise<Outcome>;
  /** Says what was thrown. `attempt`: 0 for the first time in a row. */
  readonly onFailure: (key: string, error: unknown, attempt: number) => void;
  readonly clock: Clock;
  readonly random: Random;
}

/** Keys that are worked on at the same time. */
const WIDTH = 4;
/** Beginnings of work, over all keys: a list of thousands neither floods the API server nor PostgreSQL. */
const RATE: Rate = { perSecond: 200, burst: 200 };
const BACKOFF: BackoffPolicy = { baseMs: 400, maxMs: 10_000 };

/**
 * Work by key, level-triggered: a key says that something about it may have changed, not what. A key is in the queue once
 * however often it is added, is never worked on twice at a time, and is worked on again when it was added meanwhile. What
 * fails is tried again with full jitter, and not before the time that the failure names. Keys that are only looked at again come after those about which something changed: of a
 * thousand, the last would wait for 5 s. The queue holds no more than the keys there are.
 */
export class KeyedQueue {
  readonly #parts: Parts;
  readonly #bucket: TokenBucket;
  /** Both in the order in which they were added. */
  readonly #changed = new Set<string>();
  readonly #unchanged = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, { readonly attempt: number; readonly cancel: () => void }>();
  #isStopped = false;
  #cancelWait: (() => void) | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#bucket = new TokenBucket(RATE, parts.clock.now());
  }

  /** Works on `key` soon, also when it waits for another attempt. */
  add(key: string): void {
    if (this.#isStopped) return;
    this.#failures.get(key)?.cancel();
    this.#unchanged.delete(key);
    this.#changed.add(key);
    this.#next();
  }

  /** Works on `key` when nothing else is to be done. */
  addForReview(key: string): void {
    if (this.#isStopped || this.#changed.has(key)) return;
    this.#failures.get(key)?.cancel();
    this.#unchanged.add(key);
    this.#next();
  }

  /** Begins nothing any more. Resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#changed.clear();
    this.#unchanged.clear();
    this.#cancelWait?.();
    for (const { cancel } of this.#failures.values()) cancel();
    await Promise.all(this.#running.values());
  }

  #next(): void {
    if (this.#isStopped || this.#cancelWait) return;
    for (const key of this.#inOrder()) {
      if (this.#running.size >= WIDTH) return;
      if (this.#running.has(key)) continue;
      const now = this.#parts.clock.now();
      if (!this.#bucket.take(now)) {
        this.#cancelWait = this.#parts.clock.after(this.#bucket.waitMs(now), () => {
          this.#cancelWait = undefined;
          this.#next();
        });
        return;
      }
      this.#changed.delete(key);
      this.#unchanged.delete(key);
      this.#running.set(key, this.#run(key));
    }
  }

  *#inOrder(): Generator<string> {
    yield* this.#changed;
    yield* this.#unchanged;
  }

  async #run(key: string): Promise<void> {
    // In a later turn than `add`, so that `#running` holds it before it ends.
    await Promise.resolve();
    try {
      if ((await this.#parts.work(key)) === "done") this.#failures.delete(key);
      else this.#retry(key);
    } catch (error) {
      const attempt = this.#retry(key, isSkerryError(error) ? error.retryAfterMs : undefined);
      this.#parts.onFailure(key, error, attempt);
    }
    this.#running.delete(key);
    this.#next();
  }

  #retry(key: string, leastMs = 0): number {
    const { clock, random } = this.#parts;
    const attempt = (this.#failures.get(key)?.attempt ?? -1) + 1;
    if (this.#isStopped) return attempt;
    const cancel = clock.after(leastMs + fullJitter(BACKOFF, attempt, random), () => this.add(key));
    this.#failures.set(key, { attempt, cancel });
    return attempt;
  }
}
