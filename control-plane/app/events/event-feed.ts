import type { EventsQuery, SkerryEvent } from "../../../shared/api/v1/events.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf, SkerryError } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { EventStore } from "../../ports/events.ts";
import { EventTail } from "./event-tail.ts";

/** Events of a transaction that may be overtaken are held back by the store, and then no notification announces them. */
const POLL_MS = 1_000;
/** How often a follower hears of us when nothing happens. */
const HEARTBEAT_MS = 5_000;
const PAGE = 500;
const TAIL_EVENTS = 1_000;
const MAX_FOLLOWERS = 200;

/**
 * What happened, as pages and as a stream. One reader follows the store while anybody follows us, woken by the
 * notification and every second; followers take from its tail. A follower holds one batch at a time, so a slow one costs
 * no memory: it falls behind and reads on from the store.
 */
export class EventFeed {
  readonly #store: EventStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #wakers = new Set<() => void>();
  #followers = 0;
  #tail: EventTail | undefined;
  #isReading = false;
  #readAgain = false;
  #readFailed = false;
  /** Rises with every refill that found something. */
  #news = 0;
  #cancelPoll: () => void = () => undefined;

  constructor(parts: { store: EventStore; clock: Clock; logger: Logger }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  get followers(): number {
    return this.#followers;
  }

  async list({
    limit,
    cursor,
    from,
    object,
  }: EventsQuery): Promise<{ items: SkerryEvent[]; nextCursor: string | null }> {
    const newest = cursor === undefined && from === "newest";
    const items = [...(await this.#store.read({ after: cursor ?? null, limit, newest, object }))];
    const isFull = !newest && items.length === limit;
    return { items, nextCursor: isFull ? (items.at(-1)?.id ?? null) : null };
  }

  /** A notification arrived: there may be new events. */
  wake(): void {
    if (this.#followers > 0) this.#refill();
  }

  /**
   * Until `signal` is aborted, batches of events after `after` (null: from the first; undefined: from now on); an empty
   * batch every 5 s when nothing happens. Throws `RATE_LIMITED` when too many follow already,
   * `INVALID_REQUEST` when `after` is no event's id.
   */
  async follow(query: {
    after: string | null | undefined;
    object: string | undefined;
    signal: AbortSignal;
  }): Promise<AsyncGenerator<readonly SkerryEvent[]>> {
    if (this.#followers >= MAX_FOLLOWERS) {
      throw new SkerryError("RATE_LIMITED", `${MAX_FOLLOWERS} streams of events are open already`, {
        retryAfterMs: 10_000,
      });
    }
    // Not with the generator's end: one that nobody begins to read never ends.
    this.#followers += 1;
    if (query.signal.aborted) this.#leave();
    else query.signal.addEventListener("abort", () => this.#leave(), { once: true });
    const tail = await this.#startTail();
    const start = query.after === undefined ? tail.cursor : query.after;
    // While the caller can still be told: a place that is none, or that cannot be read.
    if (!tail.after(start)) await this.#store.read({ after: start, limit: 1, newest: false, object: undefined });
    return this.#batches(start, tail, query);
  }

  async #startTail(): Promise<EventTail> {
    if (this.#tail) return this.#tail;
    const newest = await this.#store.read({ after: null, limit: 1, newest: true, object: undefined });
    const tail = this.#tail ?? new EventTail(newest.at(-1)?.id ?? null, TAIL_EVENTS);
    if (this.#followers === 0) return tail; // everybody left while we read
    this.#tail = tail;
    this.#schedulePoll();
    return tail;
  }

  async *#batches(
    start: string | null,
    tail: EventTail,
    { object, signal }: { object: string | undefined; signal: AbortSignal },
  ): AsyncGenerator<readonly SkerryEvent[]> {
    let cursor = start;
    while (!signal.aborted) {
      const seen = this.#news;
      const events = tail.after(cursor) ?? (await this.#catchUp(cursor));
      cursor = events.at(-1)?.id ?? cursor;
      const wanted = object === undefined ? events : events.filter((event) => event.object === object);
      if (wanted.length > 0) yield wanted;
      else if (events.length === 0 && !(await this.#isWoken(seen, signal)) && !signal.aborted) yield [];
    }
  }

  /** The follower is further behind than the tail reaches. While Postgres is away it waits like all others. */
  async #catchUp(cursor: string | null): Promise<readonly SkerryEvent[]> {
    try {
      return await this.#store.read({ after: cursor, limit: PAGE, newest: false, object: undefined });
    } catch (error) {
      this.#logger.debug({ error: messageOf(error) }, "a follower of events could not catch up");
      return [];
    }
  }

  /** True when there may be news since `seen`; false after a heartbeat's time without, or when the follower left. */
  #isWoken(seen: number, signal: AbortSignal): Promise<boolean> {
    if (this.#news !== seen) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (isNews: boolean): void => {
        cancel();
        this.#wakers.delete(wake);
        signal.removeEventListener("abort", leave);
        resolve(isNews);
      };
      const wake = (): void => settle(true);
      const leave = (): void => settle(false);
      const cancel = this.#clock.after(HEARTBEAT_MS, leave);
      this.#wakers.add(wake);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #leave(): void {
    this.#followers -= 1;
    if (this.#followers > 0) return;
    this.#cancelPoll();
    this.#tail = undefined;
  }

  /** One read at a time; asking during a read leads to exactly one more. */
  #refill(): void {
    this.#readAgain = true;
    if (!this.#isReading) void this.#readWhileAsked();
  }

  async #readWhileAsked(): Promise<void> {
    this.#isReading = true;
    while (this.#readAgain && this.#tail) {
      this.#readAgain = false;
      const tail = this.#tail;
      try {
        const events = await this.#store.read({ after: tail.cursor, limit: PAGE, newest: false, object: undefined });
        if (this.#readFailed) this.#logger.info({}, "events can be read again");
        this.#readFailed = false;
        tail.append(events);
        if (events.length === PAGE) this.#readAgain = true;
        if (events.length > 0) this.#wakeAll();
      } catch (error) {
        if (!this.#readFailed)
          this.#logger.warn({ error: messageOf(error) }, "events cannot be read; their followers wait");
        this.#readFailed = true;
      }
    }
    this.#isReading = false;
    this.#schedulePoll();
  }

  #wakeAll(): void {
    this.#news += 1;
    for (const wake of this.#wakers) wake();
  }

  #schedulePoll(): void {
    this.#cancelPoll();
    if (this.#tail) this.#cancelPoll = this.#clock.after(POLL_MS, () => this.#refill());
  }
}
