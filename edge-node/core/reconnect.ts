import { fullJitter, RECONNECT } from "../../shared/base/backoff.ts";
import { afterClose } from "../../shared/protocol/close-codes.ts";
import type { Random } from "../../shared/base/random.ts";

export type Redial = { readonly kind: "dial"; readonly waitMs: number } | { readonly kind: "never" };

/**
 * When to dial the control plane again. The wait is random up to a bound that doubles with each failure; it starts
 * over once a session proved itself. What the other side said (close code, `Retry-After`, `goaway`) is a minimum.
 */
export class Reconnect {
  readonly #random: Random;
  #failures = 0;

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
  }

  /** The session, or the attempt, ended. */
  after(closed: { readonly code: number; readonly retryAfterMs: number }): Redial {
    const rule = afterClose(closed.code);
    if (rule.kind === "stop") return { kind: "never" };
    const jitter = fullJitter(RECONNECT, this.#failures, this.#random);
    this.#failures += 1;
    const atLeastMs = Math.max(rule.atLeastMs, closed.retryAfterMs);
    // Nodes that were all told the same minimum would come back all at once: the jitter goes on top.
    return { kind: "dial", waitMs: atLeastMs > 0 ? atLeastMs + jitter : jitter };
  }
}
