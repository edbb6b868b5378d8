import type { Clock } from "../../../shared/clock.ts";
import type { Rate } from "./limits.ts";

interface Bucket {
  tokens: number;
  filledAt: number;
}

/**
 * One token bucket for each key (an address, an API key). Bounded: when there are too many, full ones are dropped
 * first, since a full bucket is what a new one would be.
 */
export class TokenBuckets {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #clock: Clock;
  readonly #maxBuckets: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, clock: Clock, maxBuckets = 10_000) {
    this.#perMs = rate.perSecond / 1_000;
    this.#burst = rate.burst;
    this.#clock = clock;
    this.#maxBuckets = maxBuckets;
  }

  /** Takes one token; false when there is none. */
  take(key: string): boolean {
    const bucket = this.#filled(key);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Whether there is a token, without taking it. */
  hasToken(key: string): boolean {
    return !this.#buckets.has(key) || this.#filled(key).tokens >= 1;
  }

  /** Time until there is a token again, in ms. */
  waitMs(key: string): number {
    return Math.max(0, Math.ceil((1 - this.#filled(key).tokens) / this.#perMs));
  }

  #filled(key: string): Bucket {
    const now = this.#clock.now();
    const bucket = this.#buckets.get(key);
    if (!bucket) {
      if (this.#buckets.size >= this.#maxBuckets) this.#makeRoom(now);
      const fresh = { tokens: this.#burst, filledAt: now };
      this.#buckets.set(key, fresh);
      return fresh;
    }
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (now - bucket.filledAt) * this.#perMs);
    bucket.filledAt = now;
    return bucket;
  }

  #makeRoom(now: number): void {
    for (const [key, { tokens, filledAt }] of this.#buckets) {
      if (tokens + (now - filledAt) * this.#perMs >= this.#burst) this.#buckets.delete(key);
    }
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size < this.#maxBuckets) break;
      this.#buckets.delete(key);
    }
  }
}
