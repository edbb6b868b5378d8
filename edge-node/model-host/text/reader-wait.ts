import { SkerryError } from "../../../shared/base/errors.ts";

/** A host whose requests all wait for their readers is silent and well, in ms. */
const WAITING_SIGN_MS = 1_000;

interface Parts {
  /** What an answer may wait, all of its waits together, in ms. */
  readonly readerMs: number;
  /** The bound is reached. */
  readonly onTooLong: (error: SkerryError) => void;
  /** A sign of life, once a second while it waits. */
  readonly onStep: () => void;
}

/** The time that one answer waits for its reader. Waits of its choices at the same time count once. */
export class ReaderWait {
  readonly #parts: Parts;
  /** Writers that wait now, and what was waited before. */
  #waiting = 0;
  #waitedMs = 0;
  #end: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Waits until `granted` resolves. */
  async until(granted: Promise<void>): Promise<void> {
    if (this.#waiting === 0) this.#begin();
    this.#waiting += 1;
    await granted;
    this.#waiting -= 1;
    if (this.#waiting === 0) this.#end();
  }

  /** Ends the bound: the answer is over. */
  stop(): void {
    this.#end();
  }

  #begin(): void {
    const since = performance.now();
    const { readerMs, onTooLong, onStep } = this.#parts;
    const why = `the answer has waited for its reader for ${readerMs} ms in all, and its place is needed`;
    const timer = setTimeout(
      () => onTooLong(new SkerryError("DEADLINE_EXCEEDED", why)),
      Math.max(0, readerMs - this.#waitedMs),
    );
    const signs = setInterval(onStep, WAITING_SIGN_MS);
    this.#end = () => {
      clearTimeout(timer);
      clearInterval(signs);
      this.#waitedMs += performance.now() - since;
      this.#end = () => undefined;
    };
  }
}
