/**
 * Tells once that nobody waits for an answer any more. An `AbortSignal` does that too, but as an `EventTarget` it cost
 * 2 µs of every request, and nearly none is ever cancelled.
 */
export class Cancellation {
  #isCancelled = false;
  #listeners: (() => void)[] = [];

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Calls the listeners, in their order. Again does nothing. */
  cancel(): void {
    this.#isCancelled = true;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  /** `listener` must bear to be called when its work is done already: it cannot be taken back. Called at once if it is too late. */
  onCancel(listener: () => void): void {
    if (this.#isCancelled) listener();
    else this.#listeners.push(listener);
  }
}
