import type { Clock } from "../../../shared/base/clock.ts";
import { type Cached, type Credential, isGood } from "./key-cache.ts";

/** Between two looks at keys whose notification may have been lost: with the cache's own age it keeps the bound of 5 s. */
const LOOK_MS = 1_000;

type Found = Cached<Credential> | null;

/** What a `KeyCache` does. */
interface Cache {
  find(id: string): Found | Promise<Found>;
  readAgain(id: string): Promise<Found>;
}

/** Streams that are open with a key or a session, and end with it. A key is looked at only while one is open. */
export class KeyUses {
  readonly #cache: Cache;
  readonly #clock: Clock;
  readonly #uses = new Map<string, Set<() => void>>();
  #cancel: () => void = () => undefined;

  constructor({ cache, clock }: { cache: Cache; clock: Clock }) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** Calls `onEnd` once when the key is void. Returns what ends the watch. */
  watch(keyId: string, onEnd: () => void): () => void {
    if (this.#uses.size === 0) this.#lookLater();
    const uses = this.#uses.get(keyId) ?? new Set();
    this.#uses.set(keyId, uses.add(onEnd));
    return () => {
      uses.delete(onEnd);
      if (uses.size > 0 || this.#uses.get(keyId) !== uses) return;
      this.#uses.delete(keyId);
      if (this.#uses.size === 0) this.#cancel();
    };
  }

  /** Keys were changed: those in use are read again at once. */
  check(): void {
    for (const keyId of this.#uses.keys()) void this.#endIfVoid(keyId, () => this.#cache.readAgain(keyId));
  }

  #lookLater(): void {
    this.#cancel = this.#clock.after(LOOK_MS, () => {
      for (const keyId of this.#uses.keys()) void this.#endIfVoid(keyId, () => this.#cache.find(keyId));
      if (this.#uses.size > 0) this.#lookLater();
    });
  }

  /** An outage of PostgreSQL is no revocation. */
  async #endIfVoid(keyId: string, read: () => Found | Promise<Found>): Promise<void> {
    let key: Found;
    try {
      key = await read();
    } catch {
      return;
    }
    if (isGood(key, this.#clock.now())) return;
    const uses = this.#uses.get(keyId);
    this.#uses.delete(keyId);
    if (this.#uses.size === 0) this.#cancel();
    for (const onEnd of uses ?? []) onEnd();
  }
}
