import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { MinuteBuckets } from "../../../shared/flow/minute-buckets.ts";
import { TokenBuckets } from "../../../shared/flow/token-buckets.ts";
import type { CallerLimitsOfKey } from "../../../shared/protocol/messages/caller-keys.ts";

/** As at the control plane. */
const FAILURES_PER_ADDRESS = { perSecond: 10, burst: 50 };
/** Requests under way of a key that says no number of its own, and at most of one that does. */
const MAX_AT_ONCE = 1_024;
/** Keys in use that are remembered. A node hears of 2,000 API keys at most. */
const MAX_KNOWN = 10_000;

export type ReachedLimit = "requests" | "concurrency" | "failures";

interface Parts {
  readonly clock: Clock;
  readonly onReached: (limit: ReachedLimit) => void;
}

/**
 * What one key may have at this node, and how often one address may guess. Each node counts for itself, as each control plane
 * does: a key with ten requests a minute has ten here, whatever it asks elsewhere.
 */
export class CallerLimits {
  readonly #parts: Parts;
  readonly #requests = new MinuteBuckets();
  readonly #failures: TokenBuckets;
  readonly #running = new Map<string, number>();
  /** Digests of keys that were good once: an address that others guess from does not lock them out. */
  readonly #known = new Set<string>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#failures = new TokenBuckets(FAILURES_PER_ADDRESS, parts.clock);
  }

  /** Before a key is looked up. Throws `RATE_LIMITED` after too many wrong ones of its address. */
  beforeCheck(address: string, digest: string): void {
    if (!this.#failures.hasToken(address) && !this.#known.has(digest)) throw this.#slowDown(address);
  }

  /** The key was good. */
  passed(digest: string): void {
    if (this.#known.has(digest)) return;
    const [oldest] = this.#known;
    if (this.#known.size >= MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    this.#known.add(digest);
  }

  /** The key was wrong. Returns what its caller is told: `refusal`, or that it guesses too often. */
  failed(address: string, refusal: SkerryError): SkerryError {
    return this.#failures.take(address) ? refusal : this.#slowDown(address);
  }

  /** Throws `RATE_LIMITED` when the key has sent its requests of this minute. */
  takeRequest(key: string, { requestsPerMinute }: CallerLimitsOfKey): void {
    if (requestsPerMinute === null) return;
    const now = this.#parts.clock.now();
    const bucket = this.#requests.of(key, requestsPerMinute, now);
    if (bucket.take(now)) return;
    this.#parts.onReached("requests");
    throw new SkerryError("RATE_LIMITED", `this key may send ${requestsPerMinute} requests a minute`, {
      retryAfterMs: bucket.waitMs(now),
    });
  }

  /** One more request that runs a model. Call what it returns once, when it is over. Throws `RATE_LIMITED`. */
  enter(key: string, { concurrency }: CallerLimitsOfKey): () => void {
    const running = this.#running.get(key) ?? 0;
    if (running >= Math.min(MAX_AT_ONCE, concurrency ?? MAX_AT_ONCE)) {
      this.#parts.onReached("concurrency");
      throw new SkerryError("RATE_LIMITED", `${running} requests of this key are under way`, { retryAfterMs: 1_000 });
    }
    this.#running.set(key, running + 1);
    return () => this.#leave(key);
  }

  #leave(key: string): void {
    const left = (this.#running.get(key) ?? 1) - 1;
    if (left === 0) this.#running.delete(key);
    else this.#running.set(key, left);
  }

  #slowDown(address: string): SkerryError {
    this.#parts.onReached("failures");
    return new SkerryError("RATE_LIMITED", "too many requests with a wrong key came from this address", {
      retryAfterMs: Math.max(100, this.#failures.waitMs(address)),
    });
  }
}
