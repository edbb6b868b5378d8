import type { Clock } from "../../../../shared/base/clock.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { bearerOf } from "../../../../shared/inference/http/message.ts";
import type { Role } from "../../../../shared/api/v1/keys.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { Limits } from "../server/limits.ts";
import { TokenBuckets } from "./token-buckets.ts";

/** What the door needs of the keys' owner. */
export interface KeyCheck {
  authenticate(key: string): Caller | null | Promise<Caller | null>;
  isCached(key: string): boolean;
}

/** Checks keys and roles, and slows down those who guess. Bearer header only: no cookie, so nothing to forge across sites. */
export class Authenticator {
  readonly #keys: KeyCheck;
  readonly #failures: TokenBuckets;

  constructor({ keys, clock, limits }: { keys: KeyCheck; clock: Clock; limits: Limits }) {
    this.#keys = keys;
    this.#failures = new TokenBuckets(limits.failuresPerAddress, clock);
  }

  /** Who calls. Throws `UNAUTHENTICATED`, `RATE_LIMITED`, `DATABASE_UNAVAILABLE` for a key that is not in memory. */
  authenticate(authorization: string | undefined, address: string): Caller | Promise<Caller> {
    const key = bearerOf(authorization);
    if (key === undefined) throw new SkerryError("UNAUTHENTICATED", "the request carries no API key");
    if (!this.#failures.hasToken(address) && !this.#keys.isCached(key)) throw this.#slowDown(address);
    const caller = this.#keys.authenticate(key);
    return caller instanceof Promise
      ? caller.then((found) => this.#admitted(found, address))
      : this.#admitted(caller, address);
  }

  #admitted(caller: Caller | null, address: string): Caller {
    if (caller) return caller;
    if (!this.#failures.take(address)) throw this.#slowDown(address);
    throw new SkerryError("UNAUTHENTICATED", "the API key is unknown, expired or revoked");
  }

  #slowDown(address: string): SkerryError {
    return new SkerryError("RATE_LIMITED", "too many requests with a wrong API key came from this address", {
      retryAfterMs: this.#failures.waitMs(address),
    });
  }
}

/** Throws `FORBIDDEN`. */
export function authorize(caller: Caller, roles: readonly Role[], what: string): void {
  if (roles.includes(caller.role)) return;
  throw new SkerryError(
    "FORBIDDEN",
    `key ${caller.name} has the role ${caller.role}; ${what} needs ${roles.join(" or ")}`,
  );
}
