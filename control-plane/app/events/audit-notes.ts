import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { AuditStore } from "../../ports/access/audit.ts";

const PERIOD_MS = 3_600_000;

interface Parts {
  readonly audit: Pick<AuditStore, "head">;
  /** One control plane notes it, or each line would be there for each of them. */
  readonly isLeading: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Notes the head of the audit log in the program's log, every hour: who may write to the database could write a whole new
 * chain, but not what was noted elsewhere. `skerry audit verify --noted` compares.
 */
export class AuditNotes {
  readonly #parts: Parts;
  #cancel: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.after(PERIOD_MS, () => {
      this.#running = this.#note().then(() => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#running;
  }

  /** Never rejects. */
  async #note(): Promise<void> {
    const { audit, isLeading, logger } = this.#parts;
    if (!isLeading()) return;
    try {
      const { id, hash } = await audit.head();
      logger.info({ head: `${id}:${hash}` }, "the audit log ends here");
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the end of the audit log could not be noted");
    }
  }
}
