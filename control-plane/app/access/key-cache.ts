import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";

/** Older than this, a key is read again beside the request that uses it, so that a busy key never waits for Postgres. */
const REFRESH_MS = 2_500;
/** No request is let in by a key that was read longer ago: the bound on a revocation whose notification was lost. */
const MAX_AGE_MS = 5_000;
/** After a notification that may mean a revocation. It may mean anything, so it does not void the cache at once. */
const MAX_AGE_AFTER_NOTIFY_MS = 1_000;
/** While Postgres is away, inference goes on with the keys that were good when it went. */
const OUTAGE_MS = 3_600_000;
const RETRY_MS = 1_000;
const MAX_ENTRIES = 10_000;

/** What a caller proves to have: an API key, a session. */
export interface Credential {
  /** Until it expires, by the store's clock when it was read; null: it does not. */
  readonly expiresInMs: number | null;
  /** Left out: what is revoked is deleted. */
  readonly revokedAt?: number | null;
}

export type Cached<Stored> = Stored & {
  /** When it expires, by this process's clock (`now`), which only goes forward; `Infinity`: never. */
  readonly validUntil: number;
};

/** Whether the key lets anybody in at `now`. */
export const isGood = <Stored extends Credential>(key: Cached<Stored> | null, now: number): key is Cached<Stored> =>
  key !== null && (key.revokedAt ?? null) === null && key.validUntil > now;

interface Entry<Stored> {
  /** Null: there is no such key. */
  readonly key: Cached<Stored> | null;
  readonly readAt: number;
}

/**
 * Looks keys up by id, at most once per key at a time. Bounded: the longest unread entry makes room.
 * With Postgres away, known keys stay good for an hour and unknown ones throw `DATABASE_UNAVAILABLE`. Sessions likewise.
 */
export class KeyCache<Stored extends Credential> {
  readonly #store: { find(id: string): Promise<Stored | null> };
  /** For the log: `API keys`. */
  readonly #what: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #entries = new Map<string, Entry<Stored>>();
  readonly #reading = new Map<string, Promise<Entry<Stored>>>();
  #rungAt = -Infinity;
  #failedAt: number | undefined;

  constructor(parts: {
    store: { find(id: string): Promise<Stored | null> };
    what: string;
    clock: Clock;
    logger: Logger;
  }) {
    this.#store = parts.store;
    this.#what = parts.what;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  /** At once when it is in memory and fresh: this is on the way of every request. */
  find(id: string): Cached<Stored> | null | Promise<Cached<Stored> | null> {
    const entry = this.#entries.get(id);
    if (!entry) return this.#read(id).then(({ key }) => key);
    const now = this.#clock.now();
    const ageMs = now - entry.readAt;
    const maxAgeMs = entry.readAt <= this.#rungAt ? MAX_AGE_AFTER_NOTIFY_MS : MAX_AGE_MS;
    const isStoreDown = this.#failedAt !== undefined;
    if (ageMs <= maxAgeMs || (isStoreDown && ageMs <= OUTAGE_MS)) {
      if (ageMs > Math.min(REFRESH_MS, maxAgeMs / 2) && this.#mayRetry(now)) this.#read(id).catch(() => undefined); // told by `#read`
      return entry.key;
    }
    return this.#read(id).then(
      ({ key }) => key,
      (error: unknown) => {
        if (ageMs <= OUTAGE_MS) return entry.key;
        throw error;
      },
    );
  }

  /** As it is in PostgreSQL now; what was read before stays in use meanwhile. Throws `DATABASE_UNAVAILABLE`. */
  async readAgain(id: string): Promise<Cached<Stored> | null> {
    this.#reading.delete(id); // it may have begun before the change
    return (await this.#read(id)).key;
  }

  /** Whether `find` would cost no query: it is in memory, or being read. A guessed key is refused before it costs one. */
  has(id: string): boolean {
    return this.#entries.has(id) || this.#reading.has(id);
  }

  /** This key was changed here: the next use reads it. */
  forget(id: string): void {
    this.#entries.delete(id);
    this.#reading.delete(id);
  }

  /** Something was committed somewhere, perhaps a revocation: what was read before is good for one second at most. */
  invalidate(): void {
    this.#rungAt = this.#clock.now();
  }

  #mayRetry(now: number): boolean {
    return this.#failedAt === undefined || now - this.#failedAt > RETRY_MS;
  }

  #read(id: string): Promise<Entry<Stored>> {
    const running = this.#reading.get(id);
    if (running) return running;
    const reading = this.#load(id)
      .then((entry) => {
        // A key that was forgotten meanwhile: what was read may be from before its change.
        if (this.#reading.get(id) === reading) this.#keep(id, entry);
        return entry;
      })
      .finally(() => {
        if (this.#reading.get(id) === reading) this.#reading.delete(id);
      });
    this.#reading.set(id, reading);
    return reading;
  }

  async #load(id: string): Promise<Entry<Stored>> {
    // Before the query: a revocation that commits while it runs must not look newer than it is.
    const readAt = this.#clock.now();
    try {
      const found = await this.#store.find(id);
      const entry: Entry<Stored> = {
        key: found && { ...found, validUntil: readAt + (found.expiresInMs ?? Infinity) },
        readAt,
      };
      if (this.#failedAt !== undefined) this.#logger.info({}, `${this.#what} can be read again`);
      this.#failedAt = undefined;
      return entry;
    } catch (error) {
      if (this.#failedAt === undefined)
        this.#logger.warn({ error: messageOf(error) }, `${this.#what} cannot be read; those in use stay good`);
      this.#failedAt = this.#clock.now();
      throw error;
    }
  }

  #keep(id: string, entry: Entry<Stored>): void {
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES) break;
      this.#entries.delete(oldest);
    }
  }
}
