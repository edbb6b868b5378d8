/** Tokens that a character is waited for: no character has more bytes in UTF-8, and each token has at least one. */
const LONGEST_CHARACTER = 4;
/** Tokens that a runtime needs to see before the new ones to space them rightly. */
const KEPT_TOKENS = 8;
const UNFINISHED = "\uFFFD";

/**
 * Makes text of tokens, piece by piece: never a part of a character, and never a part of what ends the text. The pieces
 * together are the text of all tokens up to the first stop text. With `trimsEnd` the text has no white space at its end.
 */
export class TextAssembler {
  readonly #textOf: (tokens: readonly number[], before: readonly number[]) => string;
  readonly #stops: readonly string[];
  readonly #trimsEnd: boolean;
  #shown: readonly number[] = [];
  #pending: number[] = [];
  /** Text that may be the beginning of a stop text. */
  #held = "";
  #isStopped = false;

  constructor(
    textOf: (tokens: readonly number[], before: readonly number[]) => string,
    { stops, trimsEnd = false }: { readonly stops: readonly string[]; readonly trimsEnd?: boolean },
  ) {
    this.#trimsEnd = trimsEnd;
    this.#textOf = textOf;
    this.#stops = stops;
  }

  /** Whether a stop text has come. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** The text that is certain with this token; often empty. */
  push(token: number): string {
    if (this.#isStopped) return "";
    this.#pending.push(token);
    const text = this.#textOf(this.#pending, this.#shown);
    if (text.endsWith(UNFINISHED) && this.#pending.length < LONGEST_CHARACTER) return "";
    return this.#release(text);
  }

  /** The rest, when no token follows. A character that is not whole by then is left out. */
  finish(): string {
    if (this.#isStopped) return "";
    const text =
      this.#pending.length === 0 ? "" : this.#release(withoutBroken(this.#textOf(this.#pending, this.#shown)));
    const rest = this.#isStopped ? text : this.#trimmed(text + this.#held);
    this.#held = "";
    return rest;
  }

  #release(text: string): string {
    this.#shown = [...this.#shown, ...this.#pending].slice(-KEPT_TOKENS);
    this.#pending = [];
    const all = this.#held + text;
    const end = this.#firstStop(all);
    if (end !== undefined) {
      this.#isStopped = true;
      this.#held = "";
      return this.#trimmed(all.slice(0, end));
    }
    const keep = Math.max(this.#possibleStop(all), all.length - this.#trimmed(all).length);
    this.#held = all.slice(all.length - keep);
    return all.slice(0, all.length - keep);
  }

  #trimmed(text: string): string {
    return this.#trimsEnd ? text.trimEnd() : text;
  }

  #firstStop(text: string): number | undefined {
    const found = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at !== -1);
    return found.length === 0 ? undefined : Math.min(...found);
  }

  /** Characters at the end of `text` that a stop text may begin with. */
  #possibleStop(text: string): number {
    let most = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > most; length -= 1)
        if (text.endsWith(stop.slice(0, length))) most = length;
    }
    return most;
  }
}

const withoutBroken = (text: string): string => {
  let end = text.length;
  while (text.endsWith(UNFINISHED, end)) end -= UNFINISHED.length;
  return text.slice(0, end);
};
