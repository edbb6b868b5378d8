import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { NewEvent } from "../../ports/events.ts";
import type { SessionStore } from "../../ports/nodes/nodes.ts";
import type { NodeSession } from "./node-session.ts";

/** On average, so that the writers of all sessions do not come back at once. */
const RETRY_MS = 1_000;
const MAX_EVENTS = 256;

/**
 * Brings one session's placement reports into Postgres, one write at a time. Reports are levels: while a write is
 * under way the newest of each placement waits, so memory is bounded by the number of placements. While Postgres is
 * away they wait and are tried about every second.
 */
export class StatusWriter {
  readonly #session: NodeSession;
  readonly #store: SessionStore;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #onSuperseded: () => void;
  #reports = new Map<string, PlacementReport>();
  #events: NewEvent[] = [];
  #isWriting = false;
  #isClosed = false;

  constructor(parts: {
    session: NodeSession;
    store: SessionStore;
    clock: Clock;
    random: Random;
    logger: Logger;
    onSuperseded: () => void;
  }) {
    this.#session = parts.session;
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#logger = parts.logger;
    this.#onSuperseded = parts.onSuperseded;
  }

  add(report: PlacementReport, events: readonly NewEvent[]): void {
    this.#reports.set(report.placementId, report);
    if (this.#events.length + events.length <= MAX_EVENTS) this.#events.push(...events);
    void this.#write();
  }

  close(): void {
    this.#isClosed = true;
  }

  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    while (this.#reports.size > 0 && !this.#isClosed) {
      const reports = this.#reports;
      const events = this.#events;
      this.#reports = new Map();
      this.#events = [];
      try {
        const isCurrent = await this.#store.report(
          { nodeId: this.#session.nodeId, epoch: this.#session.epoch },
          [...reports.values()],
          events,
        );
        if (!isCurrent) this.#onSuperseded();
      } catch (error) {
        this.#logger.debug(
          { node: this.#session.name, error: messageOf(error) },
          "placement reports wait for PostgreSQL",
        );
        this.#reports = new Map([...reports, ...this.#reports]);
        this.#events = [...events, ...this.#events].slice(-MAX_EVENTS);
        this.#clock.after(RETRY_MS * (0.5 + this.#random.next()), () => void this.#write());
        break;
      }
    }
    this.#isWriting = false;
  }
}
