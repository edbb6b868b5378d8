/** Sockets of one address and node id that have not proved themselves: three channels, and as many in takeover. */
const PER_NODE = 6;
/** Of one address, and of all. A site behind one router comes back as one address. */
const PER_ADDRESS = 1_000;
const IN_ALL = 4_000;

interface Unproven {
  readonly nodeId: string;
  readonly end: () => void;
}

/**
 * Bounds sockets that have not answered their challenge. The owner of a key answers within a round trip, so of too many those
 * go that have waited longest, and always at the address that has too many: of the same node id first, of the address
 * next, and of the address with the most when all are too many. Nobody is refused for what another address does.
 */
export class UnprovenSockets {
  /** By address, oldest first. */
  readonly #byAddress = new Map<string, Set<Unproven>>();
  #size = 0;

  /** Counts a socket until the returned function is called. `end` closes it when it has to go; it may be called at once. */
  add(address: string, nodeId: string, end: () => void): () => void {
    const mine = this.#byAddress.get(address) ?? new Set();
    this.#byAddress.set(address, mine);
    const entry = { nodeId, end };
    mine.add(entry);
    this.#size += 1;
    const ofNode = [...mine].filter((each) => each.nodeId === nodeId);
    if (ofNode.length > PER_NODE) this.#evict(address, ofNode[0]);
    else if (mine.size > PER_ADDRESS) this.#evict(address, mine.values().next().value);
    else if (this.#size > IN_ALL) {
      const [heaviest, sockets] = [...this.#byAddress].reduce((most, each) =>
        each[1].size > most[1].size ? each : most,
      );
      this.#evict(heaviest, sockets.values().next().value);
    }
    return () => this.#remove(address, entry);
  }

  #evict(address: string, entry: Unproven | undefined): void {
    if (!entry) return;
    this.#remove(address, entry);
    entry.end();
  }

  #remove(address: string, entry: Unproven): void {
    const sockets = this.#byAddress.get(address);
    if (!sockets?.delete(entry)) return;
    this.#size -= 1;
    if (sockets.size === 0) this.#byAddress.delete(address);
  }
}
