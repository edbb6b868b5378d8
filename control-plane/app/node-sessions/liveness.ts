import type { Clock } from "../../../shared/base/clock.ts";

/** Which of our messages a heartbeat confirms: the newest one, the one before it, or an older one. */
export type Confirmation = "current" | "previous" | "stale";

/**
 * When a session's node was last heard, and which of our messages it has received. A heartbeat that names our newest
 * acknowledgement proves that both directions work; one that crossed an acknowledgement on its way names the one before.
 */
export class Liveness {
  readonly #clock: Clock;
  #lastHeard: number;
  #lookAt = -Infinity;
  #newestId = -1;
  #previousId = -1;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastHeard = clock.now();
  }

  /** The newest time at which a byte arrived on a channel of the session, in ms of this replica's clock. */
  get lastHeard(): number {
    return this.#lastHeard;
  }

  /** Milliseconds without a byte. */
  get silentMs(): number {
    return this.#clock.now() - this.#lastHeard;
  }

  /** A channel's last byte arrived at `at`. An older time than the one known changes nothing. */
  heard(at: number): void {
    this.#lastHeard = Math.max(this.#lastHeard, at);
  }

  /** Whether the sockets have to be looked at: at `now` they may have been silent for longer than they may. */
  isLookDue(now: number): boolean {
    return now >= this.#lookAt;
  }

  /** They were looked at, and need not be again before `at`. */
  looked(at: number): void {
    this.#lookAt = at;
  }

  /** The session began with the message `welcomeId`. */
  welcomed(welcomeId: number): void {
    this.#newestId = welcomeId;
  }

  /** What a heartbeat that names `acked` confirms. Ask before the answer is sent: that answer is then the newest. */
  confirmedBy(acked: number): Confirmation {
    if (acked === this.#newestId) return "current";
    return acked === this.#previousId ? "previous" : "stale";
  }

  /** The heartbeat was answered with the message `ackId`. */
  answered(ackId: number): void {
    this.#previousId = this.#newestId;
    this.#newestId = ackId;
  }
}
