const QUANTILE = 0.95;
/** Share of the estimate by which one answer may move it: 100 answers double or halve it at the start, a burst does not. */
const STEP = 0.02;
/** Before this many answers the estimate says nothing. */
const ENOUGH = 100;
const HEDGE_FACTOR = 1.2;

/** How long the answers of one model take, seen by its callers: a running estimate of the 95th percentile. */
export class AnswerTimes {
  #p95Ms = 0;
  #count = 0;

  /** Stochastic approximation (Robbins and Monro, 1951): up by .95 of a step when above the estimate, down by .05 when below. */
  add(ms: number): void {
    this.#count += 1;
    if (this.#count === 1) this.#p95Ms = ms;
    else this.#p95Ms *= 1 + STEP * (ms > this.#p95Ms ? QUANTILE : QUANTILE - 1);
  }

  /** After how many ms a second copy is worth sending; undefined before enough answers. */
  get hedgeAfterMs(): number | undefined {
    return this.#count < ENOUGH ? undefined : HEDGE_FACTOR * this.#p95Ms;
  }
}
