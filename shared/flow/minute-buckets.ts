import { TokenBucket } from "./token-bucket.ts";

interface Quota {
  readonly perMinute: number;
  readonly bucket: TokenBucket;
}

/** Beyond it, quotas that are untouched are dropped first: a new one is the same. */
const MAX_QUOTAS = 10_000;

/** A bucket for each key with as much of something as that key may have in a minute. A minute's worth may come at once. */
export class MinuteBuckets {
  readonly #quotas = new Map<string, Quota>();

  /** A new one, full, when the key has another quota than before. `now` in ms, of one clock. */
  of(key: string, perMinute: number, now: number): TokenBucket {
    const known = this.#quotas.get(key);
    if (known?.perMinute === perMinute) return known.bucket;
    if (this.#quotas.size >= MAX_QUOTAS) this.#makeRoom(now);
    const bucket = new TokenBucket({ perSecond: perMinute / 60, burst: perMinute }, now);
    this.#quotas.set(key, { perMinute, bucket });
    return bucket;
  }

  #makeRoom(now: number): void {
    for (const [key, { bucket }] of this.#quotas) if (bucket.isFull(now)) this.#quotas.delete(key);
    for (const key of this.#quotas.keys()) {
      if (this.#quotas.size < MAX_QUOTAS) break;
      this.#quotas.delete(key);
    }
  }
}
