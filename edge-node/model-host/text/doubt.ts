import type { DoubtMeasure } from "../../../shared/openai/doubt.ts";

/** Measures how sure a model is of the first tokens of its answer. */
export class Doubt {
  readonly #measure: DoubtMeasure;
  #tokens = 0;
  #sum = 0;

  constructor(measure: DoubtMeasure) {
    this.#measure = measure;
  }

  /** The next token was as likely as this when it was drawn. True when no further token is needed. */
  add(logprob: number): boolean {
    this.#tokens += 1;
    this.#sum += logprob;
    return this.#tokens >= this.#measure.tokens;
  }

  /** Of the tokens so far. An answer without tokens is in no doubt. */
  get isDoubtful(): boolean {
    return this.#tokens > 0 && this.#sum / this.#tokens < this.#measure.meanLogprob;
  }
}
