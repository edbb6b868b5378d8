/** So many per second on average, and how many may be saved up. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/**
 * Counts what a rate allows: starts full, fills at `perSecond` up to `burst`. Times are those of one clock, in ms. Kept as
 * the time at which it will be full (the generic cell rate algorithm of ATM, ITU-T I.371), so nothing adds up to 0.9999.
 */
export class TokenBucket {
  readonly #burst: number;
  readonly #msPerToken: number;
  #fullAt: number;

  constructor({ perSecond, burst }: Rate, now: number) {
    this.#burst = burst;
    this.#msPerToken = 1_000 / perSecond;
    this.#fullAt = now;
  }

  /** Takes one token; false when there is none. */
  take(now: number): boolean {
    if (this.#hasAt(1) > now) return false;
    this.overdraw(now);
    return true;
  }

  /** Takes tokens for what cannot wait: there may be less than none afterwards. */
  overdraw(now: number, tokens = 1): void {
    this.#fullAt = Math.max(this.#fullAt, now) + tokens * this.#msPerToken;
  }

  isFull(now: number): boolean {
    return this.#fullAt <= now;
  }

  /** Time until there are `tokens`, in whole ms; 0 when there are. */
  waitMs(now: number, tokens = 1): number {
    return Math.max(0, Math.ceil(this.#hasAt(tokens) - now));
  }

  /** When there are, or were, so many tokens. */
  #hasAt(tokens: number): number {
    return this.#fullAt - (this.#burst - tokens) * this.#msPerToken;
  }
}
