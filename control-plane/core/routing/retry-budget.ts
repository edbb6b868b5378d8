/** Each request earns this much of an extra one. */
const EARNED_PER_REQUEST = 0.1;

/**
 * How many requests may be sent twice: a tenth of all, plus a reserve for the moment in which a node dies with many
 * inside. Without a bound, retries double the load exactly when there is too little capacity.
 */
export class RetryBudget {
  readonly #reserve: number;
  #credit: number;

  /** `reserve`: how many extra requests may be sent at once after a quiet time. */
  constructor(reserve: number) {
    this.#reserve = reserve;
    this.#credit = reserve;
  }

  earn(): void {
    this.#credit = Math.min(this.#reserve, this.#credit + EARNED_PER_REQUEST);
  }

  get hasCredit(): boolean {
    return this.#credit >= 1;
  }

  /** False when there is no credit for one more. */
  spend(): boolean {
    if (!this.hasCredit) return false;
    this.#credit -= 1;
    return true;
  }
}
