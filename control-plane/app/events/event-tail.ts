import type { SkerryEvent } from "../../../shared/api/v1/events.ts";

/**
 * The newest events in memory, in commit order, so that a thousand followers cost one query. Bounded by count; what
 * falls out at the old end is read from the store by the few who still need it.
 */
export class EventTail {
  readonly #maxEvents: number;
  #events: SkerryEvent[] = [];
  /** The cursor right before the first event that is held; null: the beginning of all events. */
  #start: string | null;

  constructor(start: string | null, maxEvents: number) {
    this.#start = start;
    this.#maxEvents = maxEvents;
  }

  /** The cursor that the next read of the store continues after. */
  get cursor(): string | null {
    return this.#events.at(-1)?.id ?? this.#start;
  }

  append(events: readonly SkerryEvent[]): void {
    this.#events.push(...events);
    const surplus = this.#events.length - this.#maxEvents;
    if (surplus <= 0) return;
    this.#start = this.#events[surplus - 1]?.id ?? this.#start;
    this.#events = this.#events.slice(surplus);
  }

  /** What follows `cursor`; undefined when that place is not held, and the store must be asked. */
  after(cursor: string | null): readonly SkerryEvent[] | undefined {
    if (cursor === this.#start) return [...this.#events];
    const at = this.#events.findLastIndex(({ id }) => id === cursor);
    return at === -1 ? undefined : this.#events.slice(at + 1);
  }
}
