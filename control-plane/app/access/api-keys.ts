import type { ApiKeyInfo, CreateApiKey, KeyLimits, RotateApiKey } from "../../../shared/api/v1/access/keys.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { Principal } from "../../core/access/decide.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { Keys, KeyStore, StoredKey } from "../../ports/access/keys.ts";
import { formatApiKey, parseApiKey } from "./api-key-format.ts";
import { type Cached, isGood, KeyCache } from "./key-cache.ts";
import { KeyUses } from "./key-uses.ts";
import { isSame, secretHash } from "./secrets.ts";

/** Who calls: what a valid key says of its holder. */
export interface Caller extends Principal {
  readonly keyId: string;
  readonly name: string;
  readonly limits: KeyLimits;
  /** The session that the request came with; left out: it came with the key itself. */
  readonly session?: CallerSession;
}

export interface CallerSession {
  readonly id: string;
  /** Void with its key; false: of a person. */
  readonly isOfKey: boolean;
  /** What a request that changes something has to bring beside the cookie. */
  readonly csrfToken: string;
  /** By the database's clock, in ms since 1970: its end at the latest, and without a request until then. */
  readonly expiresAt: number;
  readonly idleUntil: number;
}

type CachedKey = Cached<StoredKey>;

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const TOUCH_EVERY_MS = 60_000;
const MAX_TOUCHED = 10_000;

const NO_LIMITS: KeyLimits = { requestsPerMinute: null, concurrency: null, tokensPerMinute: null };
const FIRST = {
  name: "first-admin",
  role: "admin" as const,
  models: [],
  modelLabels: {},
  deployments: [],
  limits: NO_LIMITS,
};
const EVERYTHING = { models: [], modelLabels: {}, deployments: [] };
const FIRST_START: Actor = {
  name: "first start",
  role: "admin",
  keyId: null,
  models: [],
  address: "local",
  requestId: "first-start",
};

/** Issues, checks and revokes API keys. Checking is on the path of every request and answers from memory. */
export class ApiKeys {
  readonly #store: KeyStore;
  readonly #cache: KeyCache<StoredKey>;
  readonly #clock: Clock;
  readonly #keys: Pick<Keys, "secret">;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #uses: KeyUses;
  /** When the last use of a key was written. */
  readonly #touched = new Map<string, number>();
  /** The secret that was found right for a key as it was read: to hash it again on every request costs 7 µs. */
  readonly #proven = new WeakMap<CachedKey, string>();

  constructor(parts: { store: KeyStore; clock: Clock; keys: Pick<Keys, "secret">; random: Random; logger: Logger }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#keys = parts.keys;
    this.#random = parts.random;
    this.#logger = parts.logger;
    this.#cache = new KeyCache({ ...parts, what: "API keys" });
    this.#uses = new KeyUses({ cache: this.#cache, clock: parts.clock });
  }

  /** Null for whatever is no valid key: malformed, unknown, wrong, expired and revoked look alike. */
  authenticate(text: string): Caller | null | Promise<Caller | null> {
    const parts = parseApiKey(text);
    if (!parts) return null;
    const key = this.#cache.find(parts.id);
    return key instanceof Promise
      ? key.then((found) => this.#callerWith(parts.secret, found))
      : this.#callerWith(parts.secret, key);
  }

  /** The holder of a key, for whom another proof than the key's secret speaks; null when it is void. */
  holderOf(keyId: string): Caller | null | Promise<Caller | null> {
    const key = this.#cache.find(keyId);
    return key instanceof Promise ? key.then((found) => this.#callerOf(found)) : this.#callerOf(key);
  }

  #callerWith(secret: string, key: CachedKey | null): Caller | null {
    return this.#isRight(secret, key) ? this.#callerOf(key) : null;
  }

  #callerOf(key: CachedKey | null): Caller | null {
    if (!isGood(key, this.#clock.now())) return null;
    this.#touch(key.id);
    const { id, name, role, models, deployments, limits } = key;
    return { keyId: id, name, role, models, deployments, limits };
  }

  /** Hashes and compares also when the id is unknown, so that the time of the answer does not tell. */
  #isRight(secret: string, key: CachedKey | null): boolean {
    const proven = key === null ? undefined : this.#proven.get(key);
    if (proven !== undefined && isSame(secret, proven)) return true;
    const isRight = isSame(secretHash(secret), key?.secretHash ?? "0".repeat(64));
    if (key !== null && isRight) this.#proven.set(key, secret);
    return isRight;
  }

  /** True when checking this key would cost no query. */
  asksNothing(text: string): boolean {
    const parts = parseApiKey(text);
    return parts !== undefined && this.#cache.has(parts.id);
  }

  list(): Promise<readonly ApiKeyInfo[]> {
    return this.#store.list();
  }

  /** The key is in this answer and nowhere else. */
  async create({ name, role, ttlDays, ...asked }: CreateApiKey, actor: Actor): Promise<ApiKeyInfo & { key: string }> {
    const { id, secret } = this.#newKey();
    const ttlMs = ttlDays === undefined ? null : ttlDays * DAY_MS;
    const scope = role === "application" ? asked : { ...EVERYTHING, limits: asked.limits };
    const info = await this.#store.create({ id, name, secretHash: secretHash(secret), role, ...scope, ttlMs }, actor);
    return { ...info, key: formatApiKey({ id, secret }) };
  }

  /** A new key with the name and the rights of another one, which stays good for the overlap. Throws `NOT_FOUND`, `CONFLICT`. */
  async rotate(
    old: string,
    { overlapHours, ttlDays }: RotateApiKey,
    actor: Actor,
  ): Promise<ApiKeyInfo & { key: string }> {
    const { id, secret } = this.#newKey();
    const ttlMs = ttlDays === undefined ? undefined : ttlDays * DAY_MS;
    const rotation = { id, secretHash: secretHash(secret), ttlMs, overlapMs: overlapHours * HOUR_MS };
    const info = await this.#store.rotate(old, rotation, actor);
    this.#changed(old);
    return { ...info, key: formatApiKey({ id, secret }) };
  }

  /** Holds at once here, and within a second (5 s if the notification is lost) on every other replica. Throws `NOT_FOUND`, `CONFLICT`. */
  async revoke(id: string, actor: Actor): Promise<void> {
    await this.#store.revoke(id, actor);
    this.#changed(id);
  }

  /**
   * Calls `onEnd` once, as soon as the key is void: at once when it is revoked here, within a second elsewhere (5 s if the
   * notification is lost). Its caller calls what is returned when it has no more need of it.
   */
  watch(keyId: string, onEnd: () => void): () => void {
    return this.#uses.watch(keyId, onEnd);
  }

  /** A notification arrived: some key may have been revoked elsewhere. */
  invalidate(): void {
    this.#cache.invalidate();
    this.#uses.check();
  }

  #changed(id: string): void {
    this.#cache.forget(id);
    this.#uses.check();
  }

  /** The first admin key, when there is no key at all; null otherwise. Shown once by the program that starts Skerry. */
  async mintFirstKey(): Promise<string | null> {
    if (!(await this.#store.isEmpty())) return null;
    const { key } = await this.create(FIRST, FIRST_START);
    return key;
  }

  /** Makes this key the first admin key, when there is no key at all. False when it would have to be, and is no API key. */
  async takeFirstKey(text: string): Promise<boolean> {
    if (!(await this.#store.isEmpty())) return true;
    const parts = parseApiKey(text);
    if (!parts) return false;
    const { id } = parts;
    try {
      await this.#store.create({ ...FIRST, id, secretHash: secretHash(parts.secret), ttlMs: null }, FIRST_START);
    } catch (error) {
      // Another control plane did the same at the same moment.
      if ((await this.#store.find(id)) === null) throw error;
    }
    this.#cache.forget(id);
    return true;
  }

  #newKey(): { id: string; secret: string } {
    return { id: Buffer.from(this.#random.bytes(6)).toString("hex"), secret: this.#keys.secret() };
  }

  /** Not awaited: a lost "last used" is no reason to refuse a request. */
  #touch(id: string): void {
    const now = this.#clock.now();
    if (now - (this.#touched.get(id) ?? -Infinity) < TOUCH_EVERY_MS) return;
    if (this.#touched.size >= MAX_TOUCHED) this.#touched.clear();
    this.#touched.set(id, now);
    this.#store
      .touch(id)
      .catch((error: unknown) => this.#logger.debug({ error: messageOf(error) }, "a key's last use was not written"));
  }
}
