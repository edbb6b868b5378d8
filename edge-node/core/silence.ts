/**
 * How long the other side has been silent, fair to ourselves: while this process stood still (stopped, suspended, busy)
 * it could not listen, so of a late tick only the usual length counts.
 */
export class Silence {
  readonly #tickMs: number;
  #silentMs = 0;
  #lastTick: number;
  #lastByteAt: number;

  /** `tickMs`: how often `tick` is meant to be called. */
  constructor(tickMs: number, now: number) {
    this.#tickMs = tickMs;
    this.#lastTick = now;
    this.#lastByteAt = now;
  }

  /** Milliseconds of silence, when the last byte came at `lastByteAt`. */
  tick(now: number, lastByteAt: number): number {
    const elapsed = Math.min(now - this.#lastTick, this.#tickMs * 2);
    this.#lastTick = now;
    if (lastByteAt > this.#lastByteAt) {
      this.#lastByteAt = lastByteAt;
      this.#silentMs = Math.min(now - lastByteAt, elapsed);
    } else {
      this.#silentMs += elapsed;
    }
    return this.#silentMs;
  }
}
