import type { SessionInfo } from "../../../shared/api/v1/access/login.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { Actor, KeyHolder, Requester } from "../../ports/access/audit.ts";
import type { Keys } from "../../ports/access/keys.ts";
import type { LoginStore, NewSession, Person, StoredSession } from "../../ports/access/logins.ts";
import type { ApiKeys, Caller, CallerSession } from "./api-keys.ts";
import { type Cached, isGood, KeyCache } from "./key-cache.ts";
import { KeyUses } from "./key-uses.ts";
import { csrfTokenOf, formatLoginSecret, parseLoginSecret } from "./login-secret.ts";
import { isSame, secretHash } from "./secrets.ts";

/** A working day, in ms: then its holder logs in again. */
const LIFE_MS = 12 * 3_600_000;
/** Without a request for so long a session ends, in ms. */
const IDLE_MS = 3_600_000;
const TOUCH_EVERY_MS = 60_000;
const CODE_LIFE_MS = 120_000;
const MAX = { maxPerKey: 20, maxTotal: 10_000 } as const;
const MAX_TOUCHED = 10_000;

/** A session at its beginning: `cookie` exists here and in the browser alone. */
export interface OpenedSession {
  readonly caller: Caller & { readonly session: CallerSession };
  readonly cookie: string;
  /** How long the session lasts at most. */
  readonly lifeMs: number;
}

/**
 * Sessions in browsers and on command lines. A session has the rights of the API key that began it, as they are at each
 * request, and is void with it; or those that a person had when logging in at the identity provider. Checking is on the path of requests and answers from memory, as with keys.
 */
export class LoginSessions {
  readonly #store: LoginStore;
  readonly #apiKeys: Pick<ApiKeys, "holderOf" | "watch">;
  readonly #clock: Clock;
  readonly #keys: Pick<Keys, "secret">;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #cache: KeyCache<StoredSession>;
  readonly #uses: KeyUses;
  /** When the last use of a session was written. */
  readonly #touched = new Map<string, number>();
  /** Of a session as it was read: the secret that was found right for it. */
  readonly #proven = new WeakMap<StoredSession, { readonly secret: string; readonly csrfToken: string }>();

  constructor(parts: {
    store: LoginStore;
    apiKeys: Pick<ApiKeys, "holderOf" | "watch">;
    clock: Clock;
    keys: Pick<Keys, "secret">;
    random: Random;
    logger: Logger;
  }) {
    this.#store = parts.store;
    this.#apiKeys = parts.apiKeys;
    this.#clock = parts.clock;
    this.#keys = parts.keys;
    this.#random = parts.random;
    this.#logger = parts.logger;
    this.#cache = new KeyCache({ ...parts, what: "sessions" });
    this.#uses = new KeyUses({ cache: this.#cache, clock: parts.clock });
  }

  /** A session of the caller, whose key was checked. */
  async open(caller: Caller, actor: KeyHolder): Promise<OpenedSession> {
    const { session, secret } = this.#newSession();
    return opened(caller, await this.#store.open(session, actor), secret);
  }

  /** A session of a person who has just logged in: with these rights until it ends. */
  async openForPerson({ id, ...person }: Person & { readonly id: string }, from: Requester): Promise<OpenedSession> {
    const { session, secret } = this.#newSession(person);
    const stored = await this.#store.open(session, { ...person, keyId: id, ...from });
    return opened(callerOf(id, person), stored, secret);
  }

  /** A session of the key that made the code. Null when the code is unknown, used or expired, or its key is void. */
  async openByCode(code: string, from: Requester): Promise<OpenedSession | null> {
    const parts = parseLoginSecret("sc", code);
    if (!parts) return null;
    const { session, secret } = this.#newSession();
    const stored = await this.#store.openByCode({ id: parts.id, secretHash: secretHash(parts.secret) }, session, from);
    const caller = stored && (await this.#apiKeys.holderOf(stored.keyId));
    return caller && opened(caller, stored, secret);
  }

  /** A code that begins one session of the caller's key, within two minutes. It is in this answer and nowhere else. */
  async createCode(actor: KeyHolder): Promise<{ readonly code: string; readonly expiresAt: number }> {
    const { id, secret } = this.#newSecret();
    const { maxPerKey } = MAX;
    const expiresAt = await this.#store.createCode(
      { id, secretHash: secretHash(secret), lifeMs: CODE_LIFE_MS, maxPerKey },
      actor,
    );
    return { code: formatLoginSecret("sc", { id, secret }), expiresAt };
  }

  /** Null for whatever is no cookie of a session that lasts: malformed, unknown, wrong and ended look alike. */
  authenticate(cookie: string): Caller | null | Promise<Caller | null> {
    const parts = parseLoginSecret("ss", cookie);
    if (!parts) return null;
    const session = this.#cache.find(parts.id);
    return session instanceof Promise
      ? session.then((found) => this.#callerWith(parts.secret, found))
      : this.#callerWith(parts.secret, session);
  }

  /** True when checking this cookie would cost no query for the session. */
  asksNothing(cookie: string): boolean {
    const parts = parseLoginSecret("ss", cookie);
    return parts !== undefined && this.#cache.has(parts.id);
  }

  list(): Promise<readonly SessionInfo[]> {
    return this.#store.list();
  }

  /** Holds at once here, and within a second (5 s if the notification is lost) on every other replica. Throws `NOT_FOUND`. */
  async end(id: string, actor: Actor): Promise<void> {
    await this.#store.end(id, actor);
    this.#cache.forget(id);
    this.#uses.check();
  }

  /** Calls `onEnd` once, as soon as the session or its key is void; see `ApiKeys.watch`. */
  watch({ id, isOfKey }: CallerSession, keyId: string, onEnd: () => void): () => void {
    const cancels = [this.#uses.watch(id, () => end())];
    if (isOfKey) cancels.push(this.#apiKeys.watch(keyId, () => end()));
    const cancel = (): void => cancels.forEach((each) => each());
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      cancel();
      onEnd();
    };
    return cancel;
  }

  /** A notification arrived: some session may have ended elsewhere. */
  invalidate(): void {
    this.#cache.invalidate();
    this.#uses.check();
  }

  #callerWith(secret: string, session: Cached<StoredSession> | null): Caller | null | Promise<Caller | null> {
    const csrfToken = this.#check(secret, session);
    if (csrfToken === undefined || !isGood(session, this.#clock.now())) return null;
    this.#touch(session.id);
    const { id, expiresAt, idleUntil } = session;
    const isOfKey = session.person === null;
    const withSession = (caller: Caller | null): Caller | null =>
      caller && { ...caller, session: { id, isOfKey, csrfToken, expiresAt, idleUntil } };
    if (session.person) return withSession(callerOf(session.keyId, session.person));
    const caller = this.#apiKeys.holderOf(session.keyId);
    return caller instanceof Promise ? caller.then(withSession) : withSession(caller);
  }

  /** The CSRF token of the session when the secret is right. Hashes and compares also when there is no such session. */
  #check(secret: string, session: StoredSession | null): string | undefined {
    const proven = session === null ? undefined : this.#proven.get(session);
    if (proven !== undefined && isSame(secret, proven.secret)) return proven.csrfToken;
    const isRight = isSame(secretHash(secret), session?.secretHash ?? "0".repeat(64));
    if (session === null || !isRight) return undefined;
    const csrfToken = csrfTokenOf(secret);
    this.#proven.set(session, { secret, csrfToken });
    return csrfToken;
  }

  #newSession(person: Person | null = null): { readonly session: NewSession; readonly secret: string } {
    const { id, secret } = this.#newSecret();
    const session = { id, person, secretHash: secretHash(secret), lifeMs: LIFE_MS, idleMs: IDLE_MS, ...MAX };
    return { session, secret };
  }

  #newSecret(): { readonly id: string; readonly secret: string } {
    return { id: Buffer.from(this.#random.bytes(6)).toString("hex"), secret: this.#keys.secret() };
  }

  /** Not awaited: a lost "last used" is no reason to refuse a request. */
  #touch(id: string): void {
    const now = this.#clock.now();
    const at = this.#touched.get(id);
    if (at !== undefined && now - at < TOUCH_EVERY_MS) return;
    if (this.#touched.size >= MAX_TOUCHED) this.#touched.clear();
    this.#touched.set(id, now);
    this.#store
      .touch(id, IDLE_MS)
      .catch((error: unknown) => this.#logger.debug({ error: messageOf(error) }, "a session's use was not written"));
  }
}

const NO_LIMITS: Caller["limits"] = { requestsPerMinute: null, concurrency: null, tokensPerMinute: null };

const callerOf = (id: string, person: Person): Caller => ({ keyId: id, ...person, deployments: [], limits: NO_LIMITS });

function opened(caller: Caller, stored: StoredSession, secret: string): OpenedSession {
  const { id, expiresAt, idleUntil, person } = stored;
  const session = { id, isOfKey: person === null, csrfToken: csrfTokenOf(secret), expiresAt, idleUntil };
  return { caller: { ...caller, session }, cookie: formatLoginSecret("ss", { id, secret }), lifeMs: LIFE_MS };
}
