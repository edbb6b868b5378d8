const EWMA_WEIGHT = 0.1;
const WINDOW = 256;
/** The window is sorted anew after this many samples: sorting costs 10 µs, and every answer carries the figure. */
const REFRESH = 32;

/** How long a placement's runs take: an exponentially weighted mean and the 95th percentile of the last 256, in ms. */
export class RunStatistics {
  #meanMs: number;
  #p95Ms: number;
  readonly #window: number[] = [];
  #next = 0;
  #sinceRefresh = 0;

  /** `firstGuessMs`: the mean of the warm runs stands in until the first run. */
  constructor(firstGuessMs: number) {
    this.#meanMs = firstGuessMs;
    this.#p95Ms = firstGuessMs;
  }

  get meanMs(): number {
    return this.#meanMs;
  }

  get p95Ms(): number {
    return this.#p95Ms;
  }

  add(ms: number): void {
    this.#meanMs = this.#window.length === 0 ? ms : this.#meanMs + EWMA_WEIGHT * (ms - this.#meanMs);
    this.#window[this.#next] = ms;
    this.#next = (this.#next + 1) % WINDOW;
    this.#sinceRefresh += 1;
    if (this.#sinceRefresh < REFRESH && this.#window.length > REFRESH) return;
    this.#sinceRefresh = 0;
    const sorted = this.#window.toSorted((a, b) => a - b);
    this.#p95Ms = sorted[Math.ceil(sorted.length * 0.95) - 1] ?? ms;
  }
}
