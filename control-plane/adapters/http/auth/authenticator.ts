import type { ServerResponse } from "node:http";
import type { Clock } from "../../../../shared/base/clock.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { bearerOf } from "../../../../shared/inference/http/message.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { Metrics } from "../../../ports/metrics.ts";
import type { Limits } from "../server/limits.ts";
import type { KeyQuotas } from "./key-quotas.ts";
import { TokenBuckets } from "./token-buckets.ts";

/** What authentication needs of the keys. */
export interface KeyCheck {
  authenticate(key: string): Caller | null | Promise<Caller | null>;
  /** Whether `authenticate` would cost no query: the key is in memory, or being read. */
  asksNothing(key: string): boolean;
  /** Calls `onEnd` once when the key is void; see `ApiKeys.watch`. */
  watch(keyId: string, onEnd: () => void): () => void;
}

/** Checks keys and roles, and slows down those who guess. Bearer header only: no cookie, so nothing to forge across sites. */
export class Authenticator {
  readonly #keys: KeyCheck;
  readonly #failures: TokenBuckets;
  readonly #maxLookUps: number;
  readonly #quotas: Pick<KeyQuotas, "takeRequest">;
  readonly #metrics: Pick<Metrics, "limitReached">;
  /** Keys of an address that are being looked up in PostgreSQL. */
  readonly #lookUps = new Map<string, number>();

  constructor(parts: {
    keys: KeyCheck;
    quotas: Pick<KeyQuotas, "takeRequest">;
    metrics: Pick<Metrics, "limitReached">;
    clock: Clock;
    limits: Limits;
  }) {
    const { clock, limits } = parts;
    this.#keys = parts.keys;
    this.#quotas = parts.quotas;
    this.#metrics = parts.metrics;
    this.#failures = new TokenBuckets(limits.failuresPerAddress, clock);
    this.#maxLookUps = limits.failuresPerAddress.burst;
  }

  /** Who calls; one of the requests that its key may send. Throws `UNAUTHENTICATED`, `RATE_LIMITED`, `DATABASE_UNAVAILABLE` for a key that is not in memory. */
  authenticate(authorization: string | undefined, address: string): Caller | Promise<Caller> {
    const key = bearerOf(authorization);
    if (key === undefined) throw new SkerryError("UNAUTHENTICATED", "the request carries no API key");
    const lookUps = this.#lookUps.get(address) ?? 0;
    const asksNothing = this.#keys.asksNothing(key);
    // Failures count when they are known: without the second bound, any number of guesses could ask PostgreSQL at once.
    const isOver = !this.#failures.hasToken(address) || lookUps >= this.#maxLookUps;
    if (isOver && !asksNothing) throw this.#slowDown(address);
    const caller = this.#keys.authenticate(key);
    if (!(caller instanceof Promise)) return this.#admitted(caller, address);
    // After a restart all callers of a key come at once, and one query answers them.
    if (asksNothing) return caller.then((found) => this.#admitted(found, address));
    this.#lookUps.set(address, lookUps + 1);
    return caller.finally(() => this.#lookedUp(address)).then((found) => this.#admitted(found, address));
  }

  /** Ends `response` when the caller's key is void: for answers that go on for long. */
  endWithKey({ keyId }: Caller, response: ServerResponse, end: () => void = () => response.destroy()): void {
    if (response.destroyed) return;
    response.once("close", this.#keys.watch(keyId, end));
  }

  #lookedUp(address: string): void {
    const left = (this.#lookUps.get(address) ?? 1) - 1;
    if (left === 0) this.#lookUps.delete(address);
    else this.#lookUps.set(address, left);
  }

  #admitted(caller: Caller | null, address: string): Caller {
    if (caller) {
      this.#quotas.takeRequest(caller);
      return caller;
    }
    if (!this.#failures.take(address)) throw this.#slowDown(address);
    throw new SkerryError("UNAUTHENTICATED", "the API key is unknown, expired or revoked");
  }

  #slowDown(address: string): SkerryError {
    this.#metrics.limitReached("failures");
    return new SkerryError("RATE_LIMITED", "too many requests with a wrong API key came from this address", {
      retryAfterMs: Math.max(100, this.#failures.waitMs(address)),
    });
  }
}
