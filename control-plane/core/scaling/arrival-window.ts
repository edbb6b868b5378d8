const BUCKET_MS = 1_000;
/** A burst is seen within the short one; the long one keeps a steady rate from being noise. */
const SHORT_MS = 3_000;
const LONG_MS = 15_000;
/** One more than the long window has, since its oldest bucket is counted in part. */
const BUCKETS = LONG_MS / BUCKET_MS + 1;

/** Counts arrivals by the second. Mutable, since it changes with every request; no clock, every instant is an argument (ms). */
export class ArrivalWindow {
  readonly #counts = new Float64Array(BUCKETS);
  /** Number of the bucket that arrivals go into now, counted from the clock's zero. */
  #newest = -Infinity;

  add(now: number): void {
    this.#moveTo(now);
    const at = this.#newest % BUCKETS;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** Arrivals per second: the larger of the means of the last 3 s and of the last 15 s. */
  ratePerS(now: number): number {
    this.#moveTo(now);
    return Math.max(this.#mean(now, SHORT_MS), this.#mean(now, LONG_MS));
  }

  /** The bucket in which the window begins counts by its part that is inside. */
  #mean(now: number, windowMs: number): number {
    const inNewest = (now % BUCKET_MS) / BUCKET_MS;
    const whole = windowMs / BUCKET_MS;
    let sum = 0;
    for (let age = 0; age < whole; age += 1) sum += this.#count(age);
    sum += this.#count(whole) * (1 - inNewest);
    return (sum * 1_000) / windowMs;
  }

  #count(age: number): number {
    const bucket = this.#newest - age;
    return bucket < 0 ? 0 : (this.#counts[bucket % BUCKETS] ?? 0);
  }

  #moveTo(now: number): void {
    const bucket = Math.floor(now / BUCKET_MS);
    if (bucket <= this.#newest) return;
    const passed = Math.min(BUCKETS, bucket - this.#newest);
    for (let step = 0; step < passed; step += 1) this.#counts[(bucket - step) % BUCKETS] = 0;
    this.#newest = bucket;
  }
}
