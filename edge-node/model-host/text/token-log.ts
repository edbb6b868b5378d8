import type { TokenLogprob } from "../../../shared/openai/logprobs.ts";
import type { MadeToken } from "./text-runtime.ts";

/** What OpenAI writes for a token that cannot come: JSON has no infinity. */
const LEAST = -9_999;

/** How likely the tokens of one choice were, given out with the text that they are part of. */
export class TokenLog {
  readonly #textOf: (token: number) => string;
  #pending: TokenLogprob[] = [];

  constructor(textOf: (token: number) => string) {
    this.#textOf = textOf;
  }

  /** A token of which no text was shown yet. */
  push({ token, logprob = 0, likely = [] }: MadeToken): void {
    this.#pending.push({
      text: this.#textOf(token),
      logprob: bounded(logprob),
      likely: likely.map((each) => ({ text: this.#textOf(each.token), logprob: bounded(each.logprob) })),
    });
  }

  /** The tokens of a text that is shown now; `isCut`: a stop text has cut off what follows it. */
  take(text: string, { isCut }: { readonly isCut: boolean }): readonly TokenLogprob[] {
    if (text === "") return [];
    let shown = 0;
    const count = this.#pending.findIndex((each) => (shown += each.text.length) > text.length);
    return this.#pending.splice(0, isCut && count !== -1 ? count : this.#pending.length);
  }
}

const bounded = (logprob: number): number => Math.max(LEAST, logprob);
