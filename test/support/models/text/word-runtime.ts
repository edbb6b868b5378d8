import type { Control, MadeToken, Sampling, TextRuntime } from "../../../../edge-node/model-host/text/text-runtime.ts";

/** Writes words without a model: one token for each character of a text, and the same token without end. */
export class WordRuntime implements TextRuntime {
  readonly contextTokens: number;
  readonly sequences: number;
  readonly longestTokenBytes: number = 4;
  readonly chatTemplate: string = "{% for message in messages %}{{ message.content }}{% endfor %}";
  readonly specialTexts = { bos: "", eos: "" };
  /** Texts that were turned into tokens. */
  readonly tokenized: string[] = [];
  /** The most requests that were generated at the same time. */
  mostAtOnce = 0;
  /** Generations that began, and those that have not ended. */
  begun = 0;
  running = 0;
  readonly #failsAt: number;
  readonly #hangsAfter: number;
  readonly #logprobs: readonly number[];

  /** `logprobs`: of the first tokens of each generation; 0 of the others. `failsAt`: the generation, counted from 1, that fails after its first token. `hangsAfter`: tokens of each generation. */
  constructor({
    sequences = 4,
    contextTokens = 16,
    failsAt = 0,
    hangsAfter = Infinity,
    logprobs = [],
  }: {
    sequences?: number;
    contextTokens?: number;
    failsAt?: number;
    hangsAfter?: number;
    logprobs?: readonly number[];
  } = {}) {
    this.#logprobs = logprobs;
    this.#failsAt = failsAt;
    this.#hangsAfter = hangsAfter;
    this.sequences = sequences;
    this.contextTokens = contextTokens;
  }

  tokenize(text: string): readonly number[] {
    this.tokenized.push(text);
    return Array.from(text, (character) => character.codePointAt(0) ?? 0);
  }

  textOf(tokens: readonly number[]): string {
    return String.fromCodePoint(...tokens);
  }

  formatOf(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async *generate(_prompt: readonly number[], _sampling: Sampling, control: Control): AsyncGenerator<MadeToken, void> {
    this.begun += 1;
    this.running += 1;
    const fails = this.begun === this.#failsAt;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.running);
    try {
      for (let made = 0; ; made += 1) {
        await (made < this.#hangsAfter ? new Promise(setImmediate) : new Promise(() => undefined));
        if (control.isCancelled()) return;
        yield { token: 97, logprob: this.#logprobs[made] ?? 0 };
        if (fails) throw new Error("out of memory");
      }
    } finally {
      this.running -= 1;
    }
  }
}
