import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";

/** How often replicas exchange what they measure, in ms. */
export const REPORT_MS = 2_000;

interface Parts {
  /** One exchange. Rejects while PostgreSQL is away. */
  readonly exchange: () => Promise<void>;
  /** For the log: what cannot be done while it rejects. Logged once for each reason. */
  readonly complaint: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Exchanges every 2 s, and when it is asked to, what each control plane measures. One exchange at a time. */
export class ReportRounds {
  readonly #parts: Parts;
  #isBusy = false;
  #isStopped = false;
  #outage: string | undefined;
  #cancel: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(REPORT_MS, () => {
      this.start();
      void this.now();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  /** Does nothing while an exchange is under way. Never rejects. */
  async now(): Promise<void> {
    if (this.#isBusy || this.#isStopped) return;
    this.#isBusy = true;
    try {
      await this.#parts.exchange();
      this.#outage = undefined;
    } catch (error) {
      const why = messageOf(error);
      if (why !== this.#outage) this.#parts.logger.warn({ why }, this.#parts.complaint);
      this.#outage = why;
    } finally {
      this.#isBusy = false;
    }
  }
}
