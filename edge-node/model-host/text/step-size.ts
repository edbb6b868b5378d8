import { STEP_TOKENS } from "../../../shared/text/text-model.ts";

/** How long a step should take, in ms: an answer ends within one after its caller has gone, and a slow machine does not look as if it hung. */
const STEP_MS = 250;
const FEWEST = 8;
const FIRST = 32;

/**
 * How many tokens of a prompt go into one step: as many as this machine computes in `STEP_MS`, at most `STEP_TOKENS`. The
 * host gives a sign of life after each step, so that with steps of a fixed size a large model on a small machine would look
 * as if it hung.
 */
export class StepSize {
  #tokens = FIRST;

  get tokens(): number {
    return this.#tokens;
  }

  /** A step of `tokens` took so many ms. The next one is at most twice as large and at least half as large. */
  took(tokens: number, ms: number): void {
    const fitting = Math.floor((tokens * STEP_MS) / Math.max(ms, 1) / FEWEST) * FEWEST;
    const near = Math.min(2 * this.#tokens, Math.max(this.#tokens / 2, fitting));
    this.#tokens = Math.max(FEWEST, Math.min(STEP_TOKENS, near));
  }
}
