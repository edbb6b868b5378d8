import type { DoubtMeasure } from "../../../shared/openai/doubt.ts";
import type { AnswerInPieces } from "../link/event-link.ts";
import { Doubt } from "./doubt.ts";
import { ReaderWait } from "./reader-wait.ts";
import type { MadeToken } from "./text-runtime.ts";

const encoder = new TextEncoder();

interface Parts {
  /** How to measure the model's doubt; undefined: it is not asked for. */
  readonly doubt: DoubtMeasure | undefined;
  /** What the answer may wait for its reader, all of its waits together, in ms. */
  readonly readerMs: number;
  /** Called once, when the answer begins. */
  readonly begin: (found: { readonly isDoubtful: boolean }) => AnswerInPieces;
  /** Nobody needs more of the answer. */
  readonly isOver: () => boolean;
  /** A sign of life, while no answer comes of what is computed. */
  readonly onStep: () => void;
  /** The reader is too slow. */
  readonly onTooLong: (error: Error) => void;
}

/**
 * Begins one answer and passes its text to the reader. While the model's doubt is measured the answer is held back: it may
 * be given up for another model's.
 */
export class AnswerWriter {
  readonly #parts: Parts;
  readonly #wait: ReaderWait;
  #pieces: AnswerInPieces | undefined;
  /** Of the first choice, while it is measured. */
  #doubt: Doubt | undefined;
  /** What was written meanwhile. */
  #held = "";
  #wroteAt = -Infinity;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#wait = new ReaderWait(parts);
    this.#doubt = parts.doubt && new Doubt(parts.doubt);
  }

  /** Undefined until the answer begins. */
  get pieces(): AnswerInPieces | undefined {
    return this.#pieces;
  }

  get isWaiting(): boolean {
    return this.#wait.isWaiting;
  }

  /** Time since something was written, in ms. */
  get silentMs(): number {
    return performance.now() - this.#wroteAt;
  }

  /** The first token has come. The answer begins then, or when the doubt was measured. */
  begin(): void {
    if (this.#doubt === undefined) this.#pieces ??= this.#parts.begin({ isDoubtful: false });
  }

  /** Takes the next token of the first choice. Without effect once the doubt was measured. */
  async measure({ logprob = 0 }: MadeToken): Promise<void> {
    if (this.#doubt === undefined) return;
    this.#parts.onStep();
    if (this.#doubt.add(logprob)) await this.endMeasure();
  }

  /** Begins the answer with what was held back. */
  async endMeasure(): Promise<void> {
    if (this.#doubt === undefined || this.#parts.isOver()) return;
    const { isDoubtful } = this.#doubt;
    this.#doubt = undefined;
    this.#pieces = this.#parts.begin({ isDoubtful });
    const held = this.#held;
    this.#held = "";
    await this.write(held);
  }

  /** Waits for the reader: a slow one delays this answer alone. */
  async write(text: string): Promise<void> {
    this.#wroteAt = performance.now();
    if (text === "" || this.#parts.isOver()) return;
    if (this.#doubt !== undefined) {
      this.#held += text;
      return;
    }
    const pieces = this.#pieces;
    if (pieces === undefined) throw new Error("an answer is written before it began");
    let rest = encoder.encode(text);
    while (rest.byteLength > 0 && !this.#parts.isOver()) {
      const sent = pieces.write(rest);
      rest = rest.subarray(sent);
      if (sent === 0) await this.#wait.until(pieces.granted());
    }
  }

  /** Ends the bound of the reader's time: the answer is over. */
  stop(): void {
    this.#wait.stop();
  }
}
