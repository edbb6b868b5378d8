import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { TokenBucket, type Rate } from "../../../shared/flow/token-bucket.ts";
import type { NodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import type { EventStore, NewEvent } from "../../ports/events.ts";

/** Lines of one node's log that become events. A node that restarts a crashing model host says a few in a minute. */
export const NODE_LOG_RATE: Rate = { perSecond: 1, burst: 64 };
/** Events that wait for PostgreSQL. Beyond it new ones are dropped. */
export const MAX_WAITING = 2_000;
const BATCH = 200;
const RETRY_MS = 1_000;

interface Parts {
  readonly store: Pick<EventStore, "append">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with the number of events that were dropped. */
  readonly onDropped: (count: number) => void;
}

interface NodeBudget {
  readonly bucket: TokenBucket;
  dropped: number;
}

/**
 * Brings events that are not part of a change into PostgreSQL: batches, one write at a time, so that they never hold more
 * than one connection. While PostgreSQL is away they wait, 2,000 at most. What a node says in its log is bounded for each
 * node; what goes beyond that is dropped, counted, and named by the node's next event.
 */
export class EventRecorder {
  readonly #parts: Parts;
  readonly #waiting: NewEvent[] = [];
  /** By node name. */
  readonly #budgets = new Map<string, NodeBudget>();
  #isWriting = false;
  #cancelRetry: (() => void) | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  record(event: NewEvent): void {
    if (this.#waiting.length >= MAX_WAITING) return this.#parts.onDropped(1);
    this.#waiting.push(event);
    void this.#write();
  }

  /** Records what a node says in its log, within that node's budget. */
  recordLog(node: string, { lines, dropped }: Extract<NodeMessage, { type: "log" }>): void {
    const now = this.#parts.clock.now();
    const budget = this.#budgetOf(node, now);
    budget.dropped += dropped;
    const object = `node/${node}`;
    let refused = 0;
    for (const { level, msg, reason = "NodeLog" } of lines) {
      if (!budget.bucket.take(now)) {
        refused += 1;
        continue;
      }
      if (budget.dropped > 0) {
        const message = `${budget.dropped} lines of the log of ${node} were dropped: it says more than can be kept`;
        this.record({ type: "Warning", reason: "NodeLogDropped", object, message });
        budget.dropped = 0;
      }
      this.record({ type: level === "info" ? "Normal" : "Warning", reason, object, message: msg });
    }
    budget.dropped += refused;
    if (refused > 0) this.#parts.onDropped(refused);
  }

  stop(): void {
    this.#cancelRetry?.();
  }

  #budgetOf(node: string, now: number): NodeBudget {
    let budget = this.#budgets.get(node);
    if (!budget) this.#budgets.set(node, (budget = { bucket: new TokenBucket(NODE_LOG_RATE, now), dropped: 0 }));
    return budget;
  }

  async #write(): Promise<void> {
    if (this.#isWriting || this.#cancelRetry) return;
    this.#isWriting = true;
    await Promise.resolve(); // what is recorded in this turn is written together
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, BATCH);
      try {
        await this.#parts.store.append(batch);
        this.#waiting.splice(0, batch.length);
      } catch (error) {
        this.#parts.logger.warn(
          { waiting: this.#waiting.length, error: messageOf(error) },
          "events wait for PostgreSQL",
        );
        this.#cancelRetry = this.#parts.clock.after(RETRY_MS, () => {
          this.#cancelRetry = undefined;
          void this.#write();
        });
        break;
      }
    }
    this.#isWriting = false;
  }
}
