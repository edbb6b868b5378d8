import type { Clock } from "../../../shared/base/clock.ts";

/** Lets one loop wait until there is work. A wake before the wait ends it at once. */
export class Wakeup {
  readonly #clock: Clock;
  #isWoken = false;
  #resolve: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#isWoken = true;
    this.#resolve?.();
  }

  /** Resolves when woken, after `ms`, or when the signal is aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isWoken && !signal.aborted)
      await new Promise<void>((resolve) => {
        const end = (): void => {
          cancel();
          signal.removeEventListener("abort", end);
          this.#resolve = undefined;
          resolve();
        };
        const cancel = this.#clock.after(ms, end);
        signal.addEventListener("abort", end, { once: true });
        this.#resolve = end;
      });
    this.#isWoken = false;
  }
}
