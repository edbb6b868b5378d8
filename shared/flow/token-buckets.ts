import type { Clock } from "../base/clock.ts";
import { TokenBucket, type Rate } from "./token-bucket.ts";

/**
 * One token bucket for each key (an address, an API key). Bounded: when there are too many, full ones are dropped
 * first, since a full bucket is what a new one would be.
 */
export class TokenBuckets {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #maxBuckets: number;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate, clock: Clock, maxBuckets = 10_000) {
    this.#rate = rate;
    this.#clock = clock;
    this.#maxBuckets = maxBuckets;
  }

  /** Takes one token; false when there is none. */
  take(key: string): boolean {
    return this.#of(key).take(this.#clock.now());
  }

  /** Whether there is a token, without taking it. */
  hasToken(key: string): boolean {
    return this.waitMs(key) === 0;
  }

  /** Time until there is a token again, in ms. */
  waitMs(key: string): number {
    return this.#buckets.get(key)?.waitMs(this.#clock.now()) ?? 0;
  }

  #of(key: string): TokenBucket {
    const known = this.#buckets.get(key);
    if (known) return known;
    if (this.#buckets.size >= this.#maxBuckets) this.#makeRoom();
    const fresh = new TokenBucket(this.#rate, this.#clock.now());
    this.#buckets.set(key, fresh);
    return fresh;
  }

  #makeRoom(): void {
    const now = this.#clock.now();
    for (const [key, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(key);
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size < this.#maxBuckets) break;
      this.#buckets.delete(key);
    }
  }
}
