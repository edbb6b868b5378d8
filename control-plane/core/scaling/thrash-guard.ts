/** A number that rises so soon after it fell was taken away too early, in ms. */
const SOON_MS = 10 * 60_000;
/** For so long it then does not fall again, in ms. */
const HOLD_MS = 30 * 60_000;

/** What a guard remembers, in ms of the calendar: it is stored with the status, for the next leader. */
export interface GuardMemory {
  /** When the number last fell; undefined: it did not in the last 10 minutes, nor before a number that is kept. */
  readonly fellAt: number | undefined;
  /** Until when it does not fall, as it rose too soon; undefined: it may. */
  readonly keptUntil: number | undefined;
}

/**
 * Keeps a number of replicas that rises within 10 minutes after it fell, for 30 minutes: what was taken away was pushed again
 * at once, and would be taken away again. A fall to none does not count: that is what `min: 0` asks for.
 */
export class ThrashGuard {
  #last: number | undefined;
  #fellAt: number | undefined;
  #keptUntil: number | undefined;
  #kept = 0;

  /** `known`: what a guard before this one remembered, and the number that it gave last, where that is known. */
  constructor(known?: GuardMemory & { readonly last: number | undefined }) {
    this.#last = known?.last;
    this.#fellAt = known?.fellAt;
    this.#keptUntil = known?.keptUntil;
    if (known?.keptUntil !== undefined) this.#kept = known.last ?? 0;
  }

  /** The number that holds when `target` is asked for at `at` (ms of the calendar). */
  add(target: number, at: number): number {
    if (!this.isHolding(at)) this.#forget(at);
    const number = Math.max(target, this.#kept);
    const last = this.#last ?? number;
    if (number < last && number > 0) this.#fellAt = at;
    if (number > last && this.#fellAt !== undefined && at - this.#fellAt < SOON_MS) {
      this.#kept = number;
      this.#keptUntil = at + HOLD_MS;
    }
    this.#last = number;
    return number;
  }

  /** What no longer says anything: it is recorded where operators read it. */
  #forget(at: number): void {
    this.#kept = 0;
    this.#keptUntil = undefined;
    if (this.#fellAt !== undefined && at - this.#fellAt >= SOON_MS) this.#fellAt = undefined;
  }

  /** Whether a number is kept at `at` because it rose too soon. */
  isHolding(at: number): boolean {
    return this.#keptUntil !== undefined && at < this.#keptUntil;
  }

  get memory(): GuardMemory {
    return { fellAt: this.#fellAt, keptUntil: this.#keptUntil };
  }
}
