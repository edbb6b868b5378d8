/** What happened within the window. Times in ms; null without any answer. */
export interface WindowFigures {
  readonly requests: number;
  readonly ratePerS: number;
  readonly errorsPerS: number;
  readonly tokensPerS: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

const SLOT_MS = 10_000;
const WINDOW_MS = 60_000;
const SLOTS = WINDOW_MS / SLOT_MS;
/** Latencies from 0.1 ms to 100 s, eight steps to a doubling: a percentile is within 5 % of the right one. */
const FLOOR_MS = 0.1;
const STEPS_PER_DOUBLING = 8;
const STEPS = 160;
/** A rate over less time than this says nothing. */
const SHORTEST_MS = 1_000;

/**
 * Counts the answers of one subject over the last minute in slots of 10 s, with a histogram of their latencies: 4 KiB,
 * however many there are. Mutable, since it changes with every request; no clock, every instant is an argument (ms).
 */
export class AnswerWindow {
  readonly #requests = new Float64Array(SLOTS);
  readonly #errors = new Float64Array(SLOTS);
  readonly #tokens = new Float64Array(SLOTS);
  readonly #latencies = new Uint32Array(SLOTS * STEPS);
  readonly #bornAt: number;
  /** Number of the slot that answers go into now, counted from the clock's zero. */
  #newest: number;
  /** The slot of the last answer. */
  #lastUsed: number;

  constructor(now: number) {
    this.#bornAt = now;
    this.#newest = slotOf(now);
    this.#lastUsed = this.#newest;
  }

  /** A request ended. `ms`: how long its answer took; undefined: there was none. */
  ended(now: number, { ms, isError }: { readonly ms: number | undefined; readonly isError: boolean }): void {
    const slot = this.#slotAt(now);
    this.#lastUsed = this.#newest;
    add(this.#requests, slot, 1);
    if (isError) add(this.#errors, slot, 1);
    if (ms !== undefined) add(this.#latencies, slot * STEPS + stepOf(ms), 1);
  }

  wrote(now: number, tokens: number): void {
    add(this.#tokens, this.#slotAt(now), tokens);
    this.#lastUsed = this.#newest;
  }

  /** Whether nothing is left in the window. */
  isIdle(now: number): boolean {
    return slotOf(now) - this.#lastUsed >= SLOTS;
  }

  /** Figures of several windows as if they were one, at `now`. */
  static figures(windows: readonly AnswerWindow[], now: number): WindowFigures {
    const steps = new Float64Array(STEPS);
    const sums = { requests: 0, errors: 0, tokens: 0 };
    let bornAt = now;
    for (const window of windows) {
      window.#slotAt(now);
      sums.requests += sum(window.#requests);
      sums.errors += sum(window.#errors);
      sums.tokens += sum(window.#tokens);
      bornAt = Math.min(bornAt, window.#bornAt);
      for (const [slot, count] of window.#requests.entries()) if (count > 0) window.#addLatencies(slot, steps);
    }
    const since = Math.max(bornAt, (slotOf(now) - SLOTS + 1) * SLOT_MS);
    const perS = 1_000 / Math.max(SHORTEST_MS, now - since);
    return {
      requests: sums.requests,
      ratePerS: sums.requests * perS,
      errorsPerS: sums.errors * perS,
      tokensPerS: sums.tokens * perS,
      ...percentiles(steps),
    };
  }

  #addLatencies(slot: number, steps: Float64Array): void {
    for (let step = 0; step < STEPS; step += 1) add(steps, step, this.#latencies[slot * STEPS + step] ?? 0);
  }

  #slotAt(now: number): number {
    const slot = slotOf(now);
    const passed = Math.min(SLOTS, slot - this.#newest);
    for (let step = 0; step < passed; step += 1) {
      const at = (slot - step) % SLOTS;
      for (const counts of [this.#requests, this.#errors, this.#tokens]) counts[at] = 0;
      this.#latencies.fill(0, at * STEPS, (at + 1) * STEPS);
    }
    this.#newest = Math.max(slot, this.#newest);
    return this.#newest % SLOTS;
  }
}

const slotOf = (now: number): number => Math.floor(now / SLOT_MS);
const sum = (counts: Float64Array): number => counts.reduce((total, count) => total + count, 0);
const add = (counts: Float64Array | Uint32Array, at: number, by: number): void => {
  counts[at] = (counts[at] ?? 0) + by;
};

const stepOf = (ms: number): number => {
  const step = Math.floor(Math.log2(Math.max(ms, FLOOR_MS) / FLOOR_MS) * STEPS_PER_DOUBLING);
  return Math.min(STEPS - 1, step);
};

/** The middle of a step, in ms. */
const msOf = (step: number): number => FLOOR_MS * 2 ** ((step + 0.5) / STEPS_PER_DOUBLING);

function percentiles(steps: Float64Array): Pick<WindowFigures, "p50Ms" | "p95Ms" | "p99Ms"> {
  const count = sum(steps);
  const at = (share: number): number | null => {
    let left = Math.ceil(share * count);
    if (left === 0) return null;
    for (const [step, here] of steps.entries()) {
      left -= here;
      if (left <= 0) return msOf(step);
    }
    return null;
  };
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
}
