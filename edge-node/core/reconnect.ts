import { fullJitter, RECONNECT } from "../../shared/flow/backoff.ts";
import { afterClose } from "../../shared/protocol/close-codes.ts";
import type { Random } from "../../shared/base/random.ts";

export type Redial = { readonly kind: "dial"; readonly waitMs: number } | { readonly kind: "never" };

/** Least and greatest bound of the wait while the control plane is away, in ms. */
const AWAY_MIN_MS = 250;
const AWAY_MAX_MS = 5_000;
/** So much of the time that a node has been away already may pass until it dials again. */
const AWAY_SHARE = 0.25;

/**
 * When to dial the control plane again.
 *
 * A control plane that cannot be reached, or that restarts, costs nothing to dial: the wait is random up to a quarter of
 * the time that the node has been away, and up to 5 s. A restart of 2 s thus lasts 0.5 s longer for its nodes, and after an
 * outage of any length all are back 5 s later, spread evenly. A control plane that answers spreads them itself: it queues
 * handshakes, and its `Retry-After` is a minimum. After a close that says something is wrong, the bound doubles with each
 * failure up to 30 s. Both start over once a session proved itself.
 */
export class Reconnect {
  readonly #random: Random;
  #failures = 0;
  #awaySince: number | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Attempts that failed since a session last proved itself. */
  get failures(): number {
    return this.#failures;
  }

  /** Both directions of a session work. */
  proven(): void {
    this.#failures = 0;
    this.#awaySince = undefined;
  }

  /** The session, or the attempt, ended at `now`. */
  after(closed: { readonly code: number; readonly retryAfterMs: number }, now: number): Redial {
    const rule = afterClose(closed.code);
    if (rule.kind === "stop") return { kind: "never" };
    this.#awaySince ??= now;
    const jitter = rule.isAway
      ? this.#random.next() * Math.min(AWAY_MAX_MS, Math.max(AWAY_MIN_MS, AWAY_SHARE * (now - this.#awaySince)))
      : fullJitter(RECONNECT, this.#failures, this.#random);
    this.#failures += 1;
    // A control plane that says when to come back knows better than the rule for all.
    const atLeastMs =
      rule.isAway && closed.retryAfterMs > 0 ? closed.retryAfterMs : Math.max(rule.atLeastMs, closed.retryAfterMs);
    // Nodes that were all told the same minimum would come back all at once: the jitter goes on top.
    return { kind: "dial", waitMs: atLeastMs + jitter };
  }
}
