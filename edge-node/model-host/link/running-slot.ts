import { readSync, writeSync } from "node:fs";

/** No model runs. */
export const IDLE = 0;

/**
 * Which model of a shared host runs now, in a file of one byte that agent and host have open. The agent looks when the host
 * has ended or hangs, and so knows which model did it. An event on the link would wake the agent for every run.
 */
export class RunningSlot {
  readonly #fd: number;
  readonly #byte = Buffer.alloc(1);
  #written = IDLE;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Of the host: `slot` runs from now on. */
  mark(slot: number): void {
    if (slot === this.#written) return;
    this.#byte[0] = slot;
    writeSync(this.#fd, this.#byte, 0, 1, 0);
    this.#written = slot;
  }

  /** Of the agent: what the host wrote last. */
  read(): number {
    return readSync(this.#fd, this.#byte, 0, 1, 0) === 0 ? IDLE : (this.#byte[0] ?? IDLE);
  }
}
