import type { EventEmitter } from "node:events";

/** A second signal within this time is the same key press: npm passes on what the terminal has sent us already. */
const ECHO_MS = 300;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Ctrl-C, in two steps: the first asks everything to end in order (`signal` aborts), the second does not wait any
 * longer. SIGTERM and a closed terminal count the same.
 */
export class Interrupts {
  readonly #controller = new AbortController();
  #firstAt = 0;
  readonly #forced: (() => void)[] = [];
  readonly #source: EventEmitter;
  readonly #exit: () => void;
  readonly #handler = (): void => this.#interrupt();

  constructor(source: EventEmitter, exit: () => void) {
    this.#source = source;
    this.#exit = exit;
    for (const name of SIGNALS) source.on(name, this.#handler);
  }

  /** Aborts at the first interrupt. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What must still be done at the second interrupt, synchronously, e.g. killing child processes. */
  onForce(callback: () => void): void {
    this.#forced.push(callback);
  }

  stop(): void {
    for (const name of SIGNALS) this.#source.off(name, this.#handler);
  }

  #interrupt(): void {
    if (!this.#controller.signal.aborted) {
      const reason = new Error("interrupted");
      reason.name = "AbortError";
      this.#firstAt = performance.now();
      this.#controller.abort(reason);
      return;
    }
    if (performance.now() - this.#firstAt < ECHO_MS) return;
    for (const callback of this.#forced) callback();
    this.#exit();
  }
}
