import type { Clock } from "../../../../shared/base/clock.ts";

/** A node waits for 20 s and dials again a few seconds later. */
const KEPT_MS = 60_000;
/** As many as may wait; beyond it the oldest go, and of one address its own. */
const MAX_PLACES = 8_192;
const MAX_OF_ADDRESS = 2_000;

interface Place {
  readonly number: number;
  readonly since: number;
}

/**
 * The places of dials that wait for their turn. A node whose dial ends before that has the same place when it dials again:
 * otherwise those that have waited longest go to the end, and while more return than are served in 20 s some never have a turn.
 * A place is of one address, and each has a bound of its own, so one that dials with ever other ids uses up its own places.
 */
export class DialPlaces {
  readonly #clock: Clock;
  /** By address and node id, the oldest first. */
  readonly #places = new Map<string, Place>();
  /** The keys of an address, the oldest first. */
  readonly #ofAddress = new Map<string, Set<string>>();
  #newest = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The place of a dial that begins to wait: a lower number is an earlier one. */
  take(address: string, nodeId: string): number {
    const [key, now] = [keyOf(address, nodeId), this.#clock.now()];
    const known = this.#places.get(key);
    if (known && now - known.since < KEPT_MS) return known.number;
    const place = { number: (this.#newest += 1), since: now };
    this.#end(address, key);
    const own = this.#ofAddress.get(address) ?? new Set();
    const [oldestOwn] = own;
    if (own.size >= MAX_OF_ADDRESS && oldestOwn !== undefined) this.#end(address, oldestOwn);
    this.#ofAddress.set(address, own.add(key));
    this.#places.set(key, place);
    const [oldest] = this.#places.keys();
    if (this.#places.size > MAX_PLACES && oldest !== undefined) this.#end(addressOf(oldest), oldest);
    return place.number;
  }

  /** The node's turn has come, and it is there: its next dial waits as any other. */
  served(address: string, nodeId: string): void {
    this.#end(address, keyOf(address, nodeId));
  }

  #end(address: string, key: string): void {
    this.#places.delete(key);
    const own = this.#ofAddress.get(address);
    own?.delete(key);
    if (own?.size === 0) this.#ofAddress.delete(address);
  }
}

/** Addresses have no spaces. */
const keyOf = (address: string, nodeId: string): string => `${address} ${nodeId}`;

const addressOf = (key: string): string => key.slice(0, key.indexOf(" "));
