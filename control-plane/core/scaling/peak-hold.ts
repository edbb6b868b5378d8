/** The largest value of the last while: what scales down follows it, so that a short lull removes nothing. */
export class PeakHold {
  readonly #holdMs: number;
  /** By time; values fall, since one that a later one reaches is never the largest again. */
  #samples: readonly { readonly at: number; readonly value: number }[] = [];

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /** Adds the value at `at` (ms, never less than before) and returns the largest since `at - holdMs`. */
  add(value: number, at: number): number {
    const kept = this.#samples.filter((sample) => sample.at > at - this.#holdMs && sample.value > value);
    this.#samples = [...kept, { at, value }];
    return this.#samples[0]?.value ?? value;
  }
}
