import type { Random } from "../base/random.ts";

export interface BackoffPolicy {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** The reconnect policy of the node protocol. */
export const RECONNECT: BackoffPolicy = { baseMs: 500, maxMs: 30_000 };

/**
 * How long to wait before attempt number `attempt` (0 = the first retry): uniform in [0, min(max, base·2^attempt)).
 * Full jitter, after Marc Brooker's "Exponential Backoff and Jitter" (AWS, 2015): of the simple policies it spreads a
 * reconnect storm the most evenly.
 */
export function fullJitter(policy: BackoffPolicy, attempt: number, random: Random): number {
  return random.next() * Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(attempt, 30));
}
