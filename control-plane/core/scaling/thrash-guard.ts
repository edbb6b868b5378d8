/** A number that rises so soon after it fell was taken away too early, in ms. */
const SOON_MS = 10 * 60_000;
/** For so long it then does not fall again, in ms. */
const HOLD_MS = 30 * 60_000;

/**
 * Keeps a number of replicas that rises within 10 minutes after it fell, for 30 minutes: what was taken away was pushed again
 * at once, and would be taken away again. A fall to none does not count: that is what `min: 0` asks for.
 */
export class ThrashGuard {
  #last: number | undefined;
  #fellAt = -Infinity;
  #heldUntil = -Infinity;
  #held = 0;

  /** The number that holds when `target` is asked for at `at` (ms, never less than before). */
  add(target: number, at: number): number {
    if (at >= this.#heldUntil) this.#held = 0;
    const number = Math.max(target, this.#held);
    const last = this.#last ?? number;
    if (number < last && number > 0) this.#fellAt = at;
    if (number > last && at - this.#fellAt < SOON_MS) {
      this.#held = number;
      this.#heldUntil = at + HOLD_MS;
    }
    this.#last = number;
    return number;
  }

  /** Whether a number is kept at `at` because it rose too soon. */
  isHolding(at: number): boolean {
    return at < this.#heldUntil;
  }
}
