import { BUSY_WINDOW_MS } from "./shared-hosts.ts";

/** How long something worked within the last whole window, in ms. */
export class BusyWindow {
  #startedAt: number;
  #workMs = 0;
  #lastMs = 0;

  constructor(now: number) {
    this.#startedAt = now;
  }

  add(workMs: number, now: number): void {
    this.#turn(now);
    this.#workMs += workMs;
  }

  lastMs(now: number): number {
    this.#turn(now);
    return this.#lastMs;
  }

  #turn(now: number): void {
    const windows = Math.floor((now - this.#startedAt) / BUSY_WINDOW_MS);
    if (windows === 0) return;
    this.#lastMs = windows === 1 ? this.#workMs : 0;
    this.#workMs = 0;
    this.#startedAt += windows * BUSY_WINDOW_MS;
  }
}
