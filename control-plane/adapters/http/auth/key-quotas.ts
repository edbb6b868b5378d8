import type { Clock } from "../../../../shared/base/clock.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { MinuteBuckets } from "../../../../shared/flow/minute-buckets.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { Metrics } from "../../../ports/metrics.ts";

type Asking = Pick<Caller, "keyId" | "name" | "limits">;

/** What each key may have in a minute of this control plane. A minute's worth may come at once. Keys without limits cost nothing. */
export class KeyQuotas {
  readonly #clock: Clock;
  readonly #metrics: Pick<Metrics, "limitReached">;
  readonly #requests = new MinuteBuckets();
  readonly #tokens = new MinuteBuckets();

  constructor(parts: { clock: Clock; metrics: Pick<Metrics, "limitReached"> }) {
    this.#clock = parts.clock;
    this.#metrics = parts.metrics;
  }

  /** Throws `RATE_LIMITED` when the key has sent its requests of this minute. */
  takeRequest(caller: Asking): void {
    const { requestsPerMinute } = caller.limits;
    if (requestsPerMinute === null) return;
    const now = this.#clock.now();
    const bucket = this.#requests.of(caller.keyId, requestsPerMinute, now);
    if (bucket.take(now)) return;
    this.#metrics.limitReached("requests");
    throw new SkerryError("RATE_LIMITED", `key ${caller.name} may send ${requestsPerMinute} requests a minute`, {
      retryAfterMs: bucket.waitMs(now),
    });
  }

  /** Throws `RATE_LIMITED` when the key has had its tokens: how many an answer takes is known at its end alone. */
  requireTokens(caller: Asking): void {
    const { tokensPerMinute } = caller.limits;
    if (tokensPerMinute === null) return;
    const now = this.#clock.now();
    const waitMs = this.#tokens.of(caller.keyId, tokensPerMinute, now).waitMs(now);
    if (waitMs === 0) return;
    this.#metrics.limitReached("tokens");
    throw new SkerryError("RATE_LIMITED", `key ${caller.name} may have ${tokensPerMinute} tokens a minute`, {
      retryAfterMs: waitMs,
    });
  }

  /** There may be less than none afterwards: then the key waits until they have come. */
  spendTokens({ keyId, limits: { tokensPerMinute } }: Asking, tokens: number): void {
    if (tokensPerMinute === null) return;
    const now = this.#clock.now();
    this.#tokens.of(keyId, tokensPerMinute, now).overdraw(now, tokens);
  }
}
