const EWMA_WEIGHT = 0.1;
/** Half of what a mean is above the first guess is forgotten in this time without a run. */
const FORGOTTEN_HALF_MS = 5_000;
/** The mean is never more than so many times the median of the last runs. Service times that vary a lot (cv 1.5) stay below it. */
const MOST_MEDIANS = 3;
/** Runs whose median that is. */
const RECENT = 16;
const WINDOW = 256;
/** The window is sorted anew after this many samples: sorting costs 5 µs, and every answer carries the figure. */
const REFRESH = 32;

/**
 * How long a placement's runs take, in ms. The mean is per request: n requests that share a run of 4 ms count 4/n each,
 * so that requests in flight × mean is how long a new one waits. The 95th percentile (of the last 256 requests) is of the
 * whole run, since no answer is there before it ends.
 *
 * A mean alone is spoiled by one run: a cold first one, or one that a neighbour on the machine held up, is several times
 * the rest for dozens of runs after it, and admission would refuse callers for a queue that is not there. A median alone
 * says too little of a model with short and long runs. So it is the mean, held to three times the median of the last 16 runs.
 */
export class RunStatistics {
  readonly #firstGuessMs: number;
  #lastRunAt = -Infinity;
  /** Exponentially weighted over runs, both: were it over requests, one run of 32 that was held up would be the whole mean. */
  #runMs: number;
  #requests = 1;
  #p95Ms: number;
  /** Time for each request of the last runs. */
  readonly #recent: number[] = [];
  #nextRecent = 0;
  #mostMs = Infinity;
  readonly #window: number[] = [];
  #next = 0;
  #sinceRefresh = 0;

  /** `firstGuessMs`: the mean of the warm runs, used until the first run. */
  constructor(firstGuessMs: number) {
    this.#firstGuessMs = firstGuessMs;
    this.#runMs = firstGuessMs;
    this.#p95Ms = firstGuessMs;
  }

  /**
   * Mean at `now` (ms). One above the first guess sinks towards it while nothing runs: a router shuns a placement whose
   * mean is bad, and without runs nothing else would ever mend it.
   */
  meanMs(now: number): number {
    const mean = Math.min(this.#runMs / this.#requests, this.#mostMs);
    const idleMs = now - this.#lastRunAt;
    if (mean <= this.#firstGuessMs || idleMs <= 0) return mean;
    return this.#firstGuessMs + (mean - this.#firstGuessMs) * 2 ** (-idleMs / FORGOTTEN_HALF_MS);
  }

  get p95Ms(): number {
    return this.#p95Ms;
  }

  /** `runMs` for the answers to `requests` requests, the last of which came at `now` (ms). */
  add(runMs: number, requests: number, now: number): void {
    this.#lastRunAt = now;
    this.#recent[this.#nextRecent] = runMs / requests;
    this.#nextRecent = (this.#nextRecent + 1) % RECENT;
    this.#mostMs = MOST_MEDIANS * lowerMedian(this.#recent);
    const weight = this.#window.length === 0 ? 1 : EWMA_WEIGHT;
    this.#runMs += weight * (runMs - this.#runMs);
    this.#requests += weight * (requests - this.#requests);
    for (let i = 0; i < requests; i += 1) {
      this.#window[this.#next] = runMs;
      this.#next = (this.#next + 1) % WINDOW;
    }
    this.#sinceRefresh += requests;
    if (this.#sinceRefresh < REFRESH && this.#window.length > REFRESH) return;
    this.#sinceRefresh = 0;
    const sorted = Float64Array.from(this.#window).sort();
    this.#p95Ms = sorted[Math.ceil(sorted.length * 0.95) - 1] ?? runMs;
  }
}

/** Of an even number the lower one: of a cold run and a warm one it is the warm one. */
const lowerMedian = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
