import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../../../shared/base/clock.ts";
import { isSkerryError, SkerryError } from "../../../../shared/base/errors.ts";
import { TOKEN_PREFIX } from "../../../../shared/api/v1/access/login.ts";
import { bearerOf } from "../../../../shared/inference/http/message.ts";
import type { Caller, CallerSession } from "../../../app/access/api-keys.ts";
import type { Metrics } from "../../../ports/metrics.ts";
import type { Limits } from "../server/limits.ts";
import type { KeyQuotas } from "./key-quotas.ts";
import { requireCsrfToken, type SessionCookie } from "./session-cookie.ts";
import { TokenBuckets } from "../../../../shared/flow/token-buckets.ts";

/** What authentication needs of the keys, and of the sessions. */
interface SecretCheck {
  authenticate(secret: string): Caller | null | Promise<Caller | null>;
  /** Whether `authenticate` would cost no query: what the secret names is in memory, or being read. */
  asksNothing(secret: string): boolean;
}

export interface KeyCheck extends SecretCheck {
  /** Calls `onEnd` once when the key is void; see `ApiKeys.watch`. */
  watch(keyId: string, onEnd: () => void): () => void;
}

export interface SessionCheck extends SecretCheck {
  watch(session: CallerSession, keyId: string, onEnd: () => void): () => void;
}

const VOID_KEY = "the API key is unknown, expired or revoked";
const VOID_SESSION = "the session has ended: log in again";

/**
 * Checks keys and roles, and slows down those who guess. A key, or the token of a person's session, comes in the bearer header; a browser that began a session
 * sends its cookie, and a token beside it that no page of another origin knows.
 */
export class Authenticator {
  readonly #keys: KeyCheck;
  readonly #sessions: SessionCheck;
  readonly #cookie: SessionCookie;
  readonly #failures: TokenBuckets;
  readonly #maxLookUps: number;
  readonly #quotas: Pick<KeyQuotas, "takeRequest">;
  readonly #metrics: Pick<Metrics, "limitReached">;
  /** Keys of an address that are being looked up in PostgreSQL. */
  readonly #lookUps = new Map<string, number>();

  constructor(parts: {
    keys: KeyCheck;
    sessions: SessionCheck;
    cookie: SessionCookie;
    quotas: Pick<KeyQuotas, "takeRequest">;
    metrics: Pick<Metrics, "limitReached">;
    clock: Clock;
    limits: Limits;
  }) {
    const { clock, limits } = parts;
    this.#keys = parts.keys;
    this.#sessions = parts.sessions;
    this.#cookie = parts.cookie;
    this.#quotas = parts.quotas;
    this.#metrics = parts.metrics;
    this.#failures = new TokenBuckets(limits.failuresPerAddress, clock);
    this.#maxLookUps = limits.failuresPerAddress.burst;
  }

  /** Who calls; one of the requests that its key may send. Throws `UNAUTHENTICATED`, `RATE_LIMITED`, `DATABASE_UNAVAILABLE` for a key that is not in memory. */
  authenticate(authorization: string | undefined, address: string): Caller | Promise<Caller> {
    const key = bearerOf(authorization);
    if (key === undefined) throw new SkerryError("UNAUTHENTICATED", "the request carries no API key");
    if (key.startsWith(TOKEN_PREFIX)) return this.#check(this.#sessions, key, { address, refusal: VOID_SESSION });
    return this.#check(this.#keys, key, { address, refusal: VOID_KEY });
  }

  /** The same for a request of HTTP, which may carry a session's cookie in place of a key. Throws also `CSRF_REFUSED`. */
  authenticateRequest({ method, headers }: IncomingMessage, address: string): Caller | Promise<Caller> {
    const cookie = headers.authorization === undefined ? this.#cookie.read(headers) : undefined;
    if (cookie === undefined) return this.authenticate(headers.authorization, address);
    this.#cookie.refuseForeign(headers);
    const caller = this.#check(this.#sessions, cookie, { address, refusal: VOID_SESSION });
    const checked = (found: Caller): Caller => {
      if (found.session) requireCsrfToken(method, headers, found.session.csrfToken);
      return found;
    };
    return caller instanceof Promise ? caller.then(checked) : checked(caller);
  }

  /** Does what needs a secret of another kind, within the same bounds on guesses: `UNAUTHENTICATED` is a failure. Throws `RATE_LIMITED`. */
  async attempt<Done>(address: string, work: () => Promise<Done>): Promise<Done> {
    const lookUps = this.#lookUps.get(address) ?? 0;
    if (this.#isOver(address, lookUps)) throw this.#slowDown(address);
    this.#lookUps.set(address, lookUps + 1);
    try {
      return await work();
    } catch (error) {
      const isGuess = isSkerryError(error) && error.code === "UNAUTHENTICATED";
      throw isGuess && !this.#failures.take(address) ? this.#slowDown(address) : error;
    } finally {
      this.#lookedUp(address);
    }
  }

  /** Ends `response` when the caller's key or session is void: for answers that go on for long. */
  endWithKey({ keyId, session }: Caller, response: ServerResponse, end: () => void = () => response.destroy()): void {
    if (response.destroyed) return;
    response.once("close", session ? this.#sessions.watch(session, keyId, end) : this.#keys.watch(keyId, end));
  }

  #check(
    check: SecretCheck,
    secret: string,
    { address, refusal }: { readonly address: string; readonly refusal: string },
  ): Caller | Promise<Caller> {
    const lookUps = this.#lookUps.get(address) ?? 0;
    const asksNothing = check.asksNothing(secret);
    if (!asksNothing && this.#isOver(address, lookUps)) throw this.#slowDown(address);
    const admitted = (caller: Caller | null): Caller => {
      if (!caller)
        throw this.#failures.take(address) ? new SkerryError("UNAUTHENTICATED", refusal) : this.#slowDown(address);
      this.#quotas.takeRequest(caller);
      return caller;
    };
    const caller = check.authenticate(secret);
    if (!(caller instanceof Promise)) return admitted(caller);
    // After a restart all callers of a key come at once, and one query answers them.
    if (asksNothing) return caller.then(admitted);
    this.#lookUps.set(address, lookUps + 1);
    return caller.finally(() => this.#lookedUp(address)).then(admitted);
  }

  /** Failures count when they are known: without the second bound, any number of guesses could ask PostgreSQL at once. */
  #isOver(address: string, lookUps: number): boolean {
    return !this.#failures.hasToken(address) || lookUps >= this.#maxLookUps;
  }

  #lookedUp(address: string): void {
    const left = (this.#lookUps.get(address) ?? 1) - 1;
    if (left === 0) this.#lookUps.delete(address);
    else this.#lookUps.set(address, left);
  }

  #slowDown(address: string): SkerryError {
    this.#metrics.limitReached("failures");
    return new SkerryError("RATE_LIMITED", "too many requests with a wrong API key came from this address", {
      retryAfterMs: Math.max(100, this.#failures.waitMs(address)),
    });
  }
}
