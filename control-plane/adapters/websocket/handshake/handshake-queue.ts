/** How many upgrades are worked on at a time: each asks PostgreSQL who the node is, and then opens its session. */
const AT_ONCE = 25;
/** Upgrades of one address that wait for their turn. A site behind one router comes back as one address. */
const WAITING_PER_ADDRESS = 2_000;

/** Work of one upgrade; `done` when it needs PostgreSQL no more. */
type Work = () => Promise<void>;

interface Waiting {
  readonly work: Work;
  /** Among those of its address: a lower one has its turn first. */
  readonly place: number;
}

/**
 * Gives upgrades their turn, one address after the other: an address that dials a thousand times waits behind itself and not
 * before others. Only work of ours holds a turn, never the time that the other side takes.
 */
export class HandshakeQueue {
  /** By address, in the order of their turns. */
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #begunAt = new Map<string, number>();
  #running = 0;

  /**
   * Runs `work` in its turn, before others of its address with a higher `place`. Left out: after all of them. False when too
   * many of this address wait: it was not taken.
   */
  add(address: string, work: Work, place = Infinity): boolean {
    const queue = this.#waiting.get(address) ?? [];
    if (queue.length >= WAITING_PER_ADDRESS) return false;
    const before = queue.findLastIndex((each) => each.place <= place);
    queue.splice(Math.max(before + 1, this.#begun(address)), 0, { work, place });
    this.#waiting.set(address, queue);
    this.#next();
    return true;
  }

  /** Runs `work` in its turn. Rejects as it does; the bound on those that wait does not hold for it. */
  run<Result>(address: string, work: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(address) ?? [];
      // Before those that have not begun: a node waits 5 s for its session, and one that gives up costs all of this again.
      queue.splice(this.#begun(address), 0, { work: () => work().then(resolve, reject), place: -Infinity });
      this.#begunAt.set(address, this.#begun(address) + 1);
      this.#waiting.set(address, queue);
      this.#next();
    });
  }

  /** How many at the head of an address's queue go on with a handshake. */
  #begun(address: string): number {
    return this.#begunAt.get(address) ?? 0;
  }

  #next(): void {
    while (this.#running < AT_ONCE) {
      const [first] = this.#waiting;
      if (!first) return;
      const [address, queue] = first;
      const work = queue.shift()?.work;
      const begun = this.#begun(address);
      if (begun > 1) this.#begunAt.set(address, begun - 1);
      else this.#begunAt.delete(address);
      // To the end of the row: the next turn is another address's.
      this.#waiting.delete(address);
      if (queue.length > 0) this.#waiting.set(address, queue);
      if (!work) continue;
      this.#running += 1;
      void work().finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }
}
