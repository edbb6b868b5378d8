/** One of so many shared runs is compared. At 32 requests a run that is one request in 2,048 that is run twice. */
const SAMPLE_EVERY = 64;

/**
 * Whether the requests of a host may share runs. Allowed at the start, or not; stopped for good by the first answer that a
 * shared run changes.
 */
export class RunSharing {
  readonly #onStopped: (reason: string) => void;
  #isAllowed: boolean;
  #runs = 0;

  constructor({ isAllowed, onStopped }: { isAllowed: boolean; onStopped: (reason: string) => void }) {
    this.#isAllowed = isAllowed;
    this.#onStopped = onStopped;
  }

  get isAllowed(): boolean {
    return this.#isAllowed;
  }

  /** Counts a shared run; true when it is one to compare, and the first one is. */
  isSampled(): boolean {
    this.#runs += 1;
    return this.#runs % SAMPLE_EVERY === 1;
  }

  stop(reason: string): void {
    if (!this.#isAllowed) return;
    this.#isAllowed = false;
    this.#onStopped(reason);
  }
}
