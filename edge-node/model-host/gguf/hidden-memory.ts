/** What may be held that is not used any more, in bytes. A collection takes some 20 ms, so it is not for each. */
const MOST_HIDDEN = 32 * 1_048_576;

/**
 * Memory behind JavaScript objects of which V8 knows nothing. node-llama-cpp 3.22 makes a sampler for each step of a prompt
 * and for each answer; it holds 12 bytes for every token of the vocabulary until its wrapper is collected, and V8, which
 * sees a few bytes, collects none for minutes: four long prompts at once left 45 MiB behind each time.
 */
export class HiddenMemory {
  readonly #bytesEach: number;
  readonly #collect: () => void;
  #bytes = 0;

  /** `collect`: collects garbage, all of it. */
  constructor(bytesEach: number, collect: () => void) {
    this.#bytesEach = bytesEach;
    this.#collect = collect;
  }

  /** One more is not used any more. */
  left(): void {
    this.#bytes += this.#bytesEach;
    if (this.#bytes < MOST_HIDDEN) return;
    this.#bytes = 0;
    this.#collect();
  }
}
