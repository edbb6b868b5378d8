interface Waiting {
  readonly owner: string;
  readonly enter: () => void;
}

/**
 * Lets so many tasks in at once, and fewer of one owner, so that no owner holds all slots while another waits. Those that may
 * not enter wait in the order in which they came; whose owner has as many inside as it may is passed by those of others.
 */
export class FairSlots {
  readonly #count: number;
  readonly #ofOne: number;
  readonly #inside = new Map<string, number>();
  readonly #waiting: Waiting[] = [];
  #taken = 0;

  constructor({ count, ofOne }: { readonly count: number; readonly ofOne: number }) {
    this.#count = count;
    this.#ofOne = ofOne;
  }

  /** Waits for a slot and returns a function that releases it, to be called once. Rejects with the signal's reason. */
  async take(owner: string, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#mayEnter(owner)) this.#enter(owner);
    else await this.#turn(owner, signal);
    return () => this.#leave(owner);
  }

  #mayEnter(owner: string): boolean {
    return this.#taken < this.#count && (this.#inside.get(owner) ?? 0) < this.#ofOne;
  }

  #enter(owner: string): void {
    this.#taken += 1;
    this.#inside.set(owner, (this.#inside.get(owner) ?? 0) + 1);
  }

  #leave(owner: string): void {
    const left = (this.#inside.get(owner) ?? 0) - 1;
    this.#taken -= 1;
    if (left > 0) this.#inside.set(owner, left);
    else this.#inside.delete(owner);
    this.#waiting.find((each) => this.#mayEnter(each.owner))?.enter();
  }

  #turn(owner: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leaveQueue = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => {
        leaveQueue();
        reject(signal?.reason);
      };
      const waiting: Waiting = {
        owner,
        enter: () => {
          leaveQueue();
          this.#enter(owner);
          resolve();
        },
      };
      this.#waiting.push(waiting);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
