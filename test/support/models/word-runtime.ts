import type { Control, Sampling, TextRuntime } from "../../../edge-node/model-host/text/text-runtime.ts";

/** Writes words without a model: one token for each character of a text, and the same token without end. */
export class WordRuntime implements TextRuntime {
  readonly contextTokens: number;
  readonly sequences: number;
  readonly longestTokenBytes = 4;
  readonly chatTemplate = "{% for message in messages %}{{ message.content }}{% endfor %}";
  readonly specialTexts = { bos: "", eos: "" };
  /** Texts that were turned into tokens. */
  readonly tokenized: string[] = [];
  /** The most requests that were generated at the same time. */
  mostAtOnce = 0;
  #running = 0;

  constructor({ sequences = 4, contextTokens = 16 }: { sequences?: number; contextTokens?: number } = {}) {
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

  async *generate(_prompt: readonly number[], _sampling: Sampling, _control: Control): AsyncGenerator<number, void> {
    this.#running += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#running);
    try {
      for (;;) {
        await new Promise(setImmediate);
        yield 97;
      }
    } finally {
      this.#running -= 1;
    }
  }
}
