import type { Clock } from "../../../shared/base/clock.ts";
import type { NodeLogLine } from "../../ports/serving.ts";
import type { NodeMessage } from "../../../shared/protocol/messages/node-messages.ts";
import type { Unsent } from "../../../shared/protocol/messages/envelope.ts";

type Level = "info" | "warn" | "error";

interface Line {
  readonly level: Level;
  readonly at: number;
  readonly msg: string;
  /** Of the event that it becomes, when it has one of its own. */
  readonly reason?: string;
}

/** Lines kept while nobody listens. */
const MAX_LINES = 128;
const LINES_PER_MESSAGE = 32;
/** Lines that stay for the node's own page when they were sent. */
const RECENT_LINES = 50;
/** Lines of one burst travel together. */
const GATHER_MS = 250;

/**
 * Tells the operator what happened on the node: a crash, a restart, a full disk. Lines wait for a session; the oldest
 * are dropped when too many wait, and the next message says how many.
 */
export class NodeLog {
  readonly #clock: Clock;
  readonly #lines: Line[] = [];
  readonly #recent: Line[] = [];
  #dropped = 0;
  #seq = 0;
  #send: ((message: Unsent<NodeMessage>) => unknown) | undefined;
  #cancelFlush: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(level: Level, msg: string, reason?: string): void {
    const line = { level, at: this.#clock.now(), msg: msg.slice(0, 500) };
    this.#lines.push(reason === undefined ? line : { ...line, reason });
    this.#recent.push(line);
    if (this.#recent.length > RECENT_LINES) this.#recent.shift();
    if (this.#lines.length > MAX_LINES) {
      this.#lines.shift();
      this.#dropped += 1;
    }
    this.#flushSoon();
  }

  /** The newest lines, sent or not, oldest first. */
  recent(): readonly NodeLogLine[] {
    const now = this.#clock.now();
    return this.#recent.map(({ level, at, msg }) => ({ level, ageMs: now - at, msg }));
  }

  /** Lines that wait for a session. */
  get unsent(): number {
    return this.#lines.length;
  }

  /** Lines go to `send` until `disconnect`. */
  connect(send: (message: Unsent<NodeMessage>) => unknown): void {
    this.#send = send;
    if (this.#lines.length > 0) this.#flushSoon();
  }

  disconnect(): void {
    this.#send = undefined;
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
  }

  #flushSoon(): void {
    if (!this.#send || this.#cancelFlush) return;
    this.#cancelFlush = this.#clock.after(GATHER_MS, () => {
      this.#cancelFlush = undefined;
      this.#flush();
    });
  }

  #flush(): void {
    if (!this.#send) return;
    const now = this.#clock.now();
    const lines = this.#lines
      .splice(0, LINES_PER_MESSAGE)
      .map(({ at, ...line }) => ({ ...line, ageMs: Math.round(now - at) }));
    this.#seq += 1;
    this.#send({ type: "log", seq: this.#seq, dropped: this.#dropped, lines });
    this.#dropped = 0;
    if (this.#lines.length > 0) this.#flushSoon();
  }
}
