import type { Clock } from "../../../../shared/base/clock.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { TokenBucket } from "../../../../shared/flow/token-bucket.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { Metrics } from "../../../ports/metrics.ts";

type Asking = Pick<Caller, "keyId" | "name" | "limits">;

interface Quota {
  readonly perMinute: number;
  readonly bucket: TokenBucket;
}

/** Beyond it, quotas that are untouched are dropped first: a new one is the same. */
const MAX_QUOTAS = 10_000;

/** What each key may have in a minute of this control plane. A minute's worth may come at once. Keys without limits cost nothing. */
export class KeyQuotas {
  readonly #clock: Clock;
  readonly #metrics: Pick<Metrics, "limitReached">;
  readonly #requests = new Map<string, Quota>();
  readonly #tokens = new Map<string, Quota>();

  constructor(parts: { clock: Clock; metrics: Pick<Metrics, "limitReached"> }) {
    this.#clock = parts.clock;
    this.#metrics = parts.metrics;
  }

  /** Throws `RATE_LIMITED` when the key has sent its requests of this minute. */
  takeRequest(caller: Asking): void {
    const { requestsPerMinute } = caller.limits;
    if (requestsPerMinute === null) return;
    const now = this.#clock.now();
    const bucket = this.#bucketOf(this.#requests, caller.keyId, requestsPerMinute);
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
    const waitMs = this.#bucketOf(this.#tokens, caller.keyId, tokensPerMinute).waitMs(this.#clock.now());
    if (waitMs === 0) return;
    this.#metrics.limitReached("tokens");
    throw new SkerryError("RATE_LIMITED", `key ${caller.name} may have ${tokensPerMinute} tokens a minute`, {
      retryAfterMs: waitMs,
    });
  }

  /** There may be less than none afterwards: then the key waits until they have come. */
  spendTokens({ keyId, limits: { tokensPerMinute } }: Asking, tokens: number): void {
    if (tokensPerMinute !== null)
      this.#bucketOf(this.#tokens, keyId, tokensPerMinute).overdraw(this.#clock.now(), tokens);
  }

  #bucketOf(quotas: Map<string, Quota>, keyId: string, perMinute: number): TokenBucket {
    const known = quotas.get(keyId);
    if (known?.perMinute === perMinute) return known.bucket;
    const now = this.#clock.now();
    if (quotas.size >= MAX_QUOTAS) makeRoom(quotas, now);
    const bucket = new TokenBucket({ perSecond: perMinute / 60, burst: perMinute }, now);
    quotas.set(keyId, { perMinute, bucket });
    return bucket;
  }
}

function makeRoom(quotas: Map<string, Quota>, now: number): void {
  for (const [keyId, { bucket }] of quotas) if (bucket.isFull(now)) quotas.delete(keyId);
  for (const keyId of quotas.keys()) {
    if (quotas.size < MAX_QUOTAS) break;
    quotas.delete(keyId);
  }
}
