/** What one answer in text took. */
export interface TextRun {
  /** Of the request's body. */
  readonly bytes: number;
  readonly promptTokens: number;
  /** Of these, in the cache. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Until its first token, without the queue and the way; and from there to its end. */
  readonly firstMs: number;
  readonly restMs: number;
}

/** Weight that an answer keeps when another one follows. */
const KEPT = 0.9;

/**
 * How quick one placement of a text model is, by its last answers: tokens of a prompt that it takes in, and tokens that it
 * writes. Sums that decay, so that long prompts count for more than short ones, whose time is mostly the first token's own.
 */
export class TextPace {
  #bytes = 0;
  #promptTokens = 0;
  #computedTokens = 0;
  #firstMs = 0;
  #laterTokens = 0;
  #restMs = 0;
  #answers = 0;
  #outputTokens = 0;

  add({ bytes, promptTokens, cachedTokens, outputTokens, firstMs, restMs }: TextRun): void {
    this.#bytes = KEPT * this.#bytes + bytes;
    this.#promptTokens = KEPT * this.#promptTokens + promptTokens;
    this.#computedTokens = KEPT * this.#computedTokens + Math.max(1, promptTokens - cachedTokens);
    this.#firstMs = KEPT * this.#firstMs + Math.max(0, firstMs);
    this.#laterTokens = KEPT * this.#laterTokens + Math.max(0, outputTokens - 1);
    this.#restMs = KEPT * this.#restMs + Math.max(0, restMs);
    this.#answers = KEPT * this.#answers + 1;
    this.#outputTokens = KEPT * this.#outputTokens + outputTokens;
  }

  /** Time until the first token of a request of so many bytes of which nothing is in the cache, in ms; undefined before the first answer. */
  firstMs(bytes: number): number | undefined {
    if (this.#bytes === 0) return undefined;
    return bytes * (this.#promptTokens / this.#bytes) * (this.#firstMs / this.#computedTokens);
  }

  /** Time of the tokens after the first, of an answer as long as the last ones, in ms; 0 before the first answer. */
  get restMs(): number {
    if (this.#laterTokens === 0) return 0;
    return Math.max(0, this.#outputTokens / this.#answers - 1) * (this.#restMs / this.#laterTokens);
  }
}
