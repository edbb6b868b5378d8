import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { LeaderFence } from "../../ports/plan.ts";
import type { Retention, RetentionStore } from "../../ports/retention.ts";

const PERIOD_MS = 10 * 60_000;
/** Between two batches while there is more: other work of the database goes first. */
const PAUSE_MS = 1_000;

interface Parts {
  readonly store: RetentionStore;
  readonly retention: Retention;
  /** Undefined while another control plane leads. */
  readonly lease: () => LeaderFence | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Deletes old events, audit entries, tokens and rejected versions while this replica leads: every ten minutes, in batches. */
export class RetentionSweep {
  readonly #parts: Parts;
  #cancel: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#after(PAUSE_MS);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#running;
  }

  #after(ms: number): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#running = this.#sweep().then((wasFull) => this.#after(wasFull ? PAUSE_MS : PERIOD_MS));
    });
  }

  /** Never rejects: what failed is tried again. True when something was deleted, so that there may be more. */
  async #sweep(): Promise<boolean> {
    const { store, retention, lease, logger } = this.#parts;
    const fence = lease();
    if (!fence) return false;
    try {
      const deleted = await store.sweep(fence, retention);
      if (deleted > 0) logger.info({ deleted }, "old rows were deleted");
      return deleted > 0;
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "old rows could not be deleted; it is tried again");
      return false;
    }
  }
}
