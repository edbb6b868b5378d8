import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { LeaderFence, LeadershipStore } from "../../ports/plan.ts";

/** With the renewals of the others: another replica leads 14.5 s at most after the last one of a dead leader. */
const LEASE_MS = 10_000;
const RENEW_MS = 4_500;
/** After a renewal that failed, so that a second one fits before `SELF_STOP_MS`. */
const RETRY_MS = 1_000;
/** Stops leading by itself before the lease can have run out: a renewal may hang, but the clock does not. */
const SELF_STOP_MS = 7_000;

/**
 * The lease of the control loop: renewed every 4.5 s, given up by itself after 7 s without a renewal. A renewal also records
 * that the replica lives, whether it leads or not.
 */
export class Leadership {
  readonly #store: LeadershipStore;
  readonly #replica: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onElected: () => void;
  readonly #onUnanswered: () => void;
  #fence: LeaderFence | undefined;
  #since = 0;
  #renewedAt = -Infinity;
  #isStopped = false;
  #cancel: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();

  /** `onUnanswered`: called after each renewal that the database did not answer. */
  constructor(ports: {
    store: LeadershipStore;
    replica: string;
    clock: Clock;
    logger: Logger;
    onElected: () => void;
    onUnanswered: () => void;
  }) {
    this.#store = ports.store;
    this.#replica = ports.replica;
    this.#clock = ports.clock;
    this.#logger = ports.logger;
    this.#onElected = ports.onElected;
    this.#onUnanswered = ports.onUnanswered;
  }

  /** The fence and the time it was won, while this replica leads. */
  current(): { readonly fence: LeaderFence; readonly since: number } | undefined {
    if (!this.#fence || this.#clock.now() - this.#renewedAt > SELF_STOP_MS) return undefined;
    return { fence: this.#fence, since: this.#since };
  }

  /** Until it is stopped, its renewals record that the replica lives. */
  get isRenewing(): boolean {
    return !this.#isStopped;
  }

  /** Tries for the lease now, and goes on every 4.5 s. */
  start(): void {
    this.#round = this.#renew();
  }

  /** Gives the lease up, so that the next leader need not wait for it to run out. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#round;
    if (this.#fence) await this.#store.release(this.#fence).catch(() => undefined);
    this.#fence = undefined;
  }

  /** A fenced write found another leader: stop at once. */
  lost(): void {
    this.#fence = undefined;
  }

  async #renew(): Promise<void> {
    const askedAt = this.#clock.now();
    let nextMs = RENEW_MS;
    try {
      const fence = await this.#store.acquire(this.#replica, LEASE_MS);
      const isNew = fence !== null && fence.token !== this.#fence?.token;
      if (this.#fence && fence?.token !== this.#fence.token)
        this.#logger.warn({ replica: this.#replica }, "no longer the leader");
      this.#fence = fence ?? undefined;
      if (fence) this.#renewedAt = askedAt;
      if (isNew) {
        this.#since = askedAt;
        this.#logger.info({ replica: this.#replica, token: String(fence.token) }, "leading the control loop");
        this.#onElected();
      }
    } catch (error) {
      this.#logger.debug({ error: messageOf(error) }, "the lease could not be renewed");
      nextMs = RETRY_MS;
      this.#onUnanswered();
    }
    if (!this.#isStopped) this.#cancel = this.#clock.after(nextMs, () => this.start());
  }
}
