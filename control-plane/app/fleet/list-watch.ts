import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { ChangeLog, messageOf } from "../../core/fleet/changes/change-log.ts";

/** Changes come in bursts: one comparison serves them all. */
const SETTLE_MS = 100;
/** Comparing the whole list takes at most one part in so many of the time, however large it is. So does comparing parts of it. */
const MAX_SHARE = 10;
/**
 * A part is compared so long after the one before at most. How long one took is measured by the clock, so on a busy machine
 * it has the time of other processes in it: one that is set aside for half a second would keep the next change for 5 s.
 */
const MAX_PART_WAIT_MS = 500;
/** Silence makes a node suspect or lost without a change of the fleet. */
const PERIOD_MS = 1_000;
/** How often a follower gets something when nothing changes. */
const HEARTBEAT_MS = 5_000;
const MAX_CHANGES = 1_000;
const MAX_FOLLOWERS = 200;
/** So much of the list, or of its changes, is held in memory for one follower at a time. */
const BATCH = 50;

/** `id` is the place to resume after. An initial object has none: half a list is no place to resume after. */
export type WatchMessage<Item> =
  | { readonly event: "added" | "modified" | "deleted"; readonly id?: string; readonly item: Item }
  /** The whole list follows: nothing that the follower knows counts any more. */
  | { readonly event: "reset" }
  /** The whole list has been sent, or nothing that the follower sees has changed for a while. */
  | { readonly event: "bookmark"; readonly id: string };

export interface WatchRequest<Item> {
  /** The `id` of the last message that was seen. */
  readonly after: string | undefined;
  readonly isVisible: (item: Item) => boolean;
  readonly signal: AbortSignal;
}

/**
 * A list as a stream of its changes. While somebody follows, the list is compared with what it was, 100 ms after a change
 * of the fleet and when `fingerprint` differs, which is looked at each second; without followers nothing is done. Of a
 * change that names what it touched only that is compared: with 1,000 nodes the whole list takes 40 ms, and waiting until
 * that is a tenth of the time made each change 400 ms late.
 * A follower takes one batch at a time from the changes that are kept for all, so a slow one costs no memory: it falls
 * behind, and gets the whole list again when the changes that it needs are no longer kept.
 */
export class ListWatch<Item> {
  readonly #instance: string;
  readonly #list: () => readonly Item[];
  readonly #some: ((names: ReadonlySet<string>) => readonly Item[]) | undefined;
  readonly #fingerprint: () => string;
  readonly #clock: Clock;
  readonly #log: ChangeLog<Item>;
  readonly #wakers = new Set<() => void>();
  #compared: string | undefined;
  /** What changed since the last comparison. */
  #touched = new Set<string>();
  #isAllTouched = false;
  /** When the list, or a part of it, may be compared again. */
  #wholeFrom = -Infinity;
  #partFrom = -Infinity;
  #followers = 0;
  #isSettling = false;
  #cancelSettle: () => void = () => undefined;
  #cancelPeriod: () => void = () => undefined;

  constructor(parts: {
    /** Of this control-plane replica and this start: revisions of another one mean nothing here. */
    instance: string;
    list: () => readonly Item[];
    /** Of the objects with these names, those that the list has. Left out: each comparison is of the whole list. */
    some?: (names: ReadonlySet<string>) => readonly Item[];
    nameOf: (item: Item) => string;
    /** What of an item makes a change. */
    lasting: (item: Item) => unknown;
    /** While it stays the same, so does what is lasting of the list. Cheaper than the list. */
    fingerprint: () => string;
    clock: Clock;
  }) {
    this.#instance = parts.instance;
    this.#list = parts.list;
    this.#some = parts.some;
    this.#fingerprint = parts.fingerprint;
    this.#clock = parts.clock;
    this.#log = new ChangeLog({ nameOf: parts.nameOf, lasting: parts.lasting, maxChanges: MAX_CHANGES });
  }

  get followers(): number {
    return this.#followers;
  }

  /** The fleet changed: the list may have. `names`: no other object of the list did. */
  wake(names?: Iterable<string>): void {
    if (this.#followers === 0) return;
    if (names === undefined || this.#some === undefined) this.#isAllTouched = true;
    else for (const name of names) this.#touched.add(name);
    if (this.#isSettling || !(this.#isAllTouched || this.#touched.size > 0)) return;
    this.#isSettling = true;
    const from = this.#isAllTouched ? this.#wholeFrom : this.#partFrom;
    this.#cancelSettle = this.#clock.after(Math.max(SETTLE_MS, from - this.#clock.now()), () => {
      this.#isSettling = false;
      if (!this.#isAllTouched) this.#compareTouched();
      else if (this.#clock.now() >= this.#wholeFrom) this.#compare();
      else this.wake();
    });
  }

  /**
   * Until `signal` is aborted, batches of messages: what changed after the place `after`, or first `reset` and the whole
   * list where there is no such place, or it is too old. An empty batch or a bookmark every 5 s when nothing happens.
   * Throws `RATE_LIMITED` when too many follow.
   */
  follow(request: WatchRequest<Item>): AsyncGenerator<readonly WatchMessage<Item>[]> {
    if (this.#followers >= MAX_FOLLOWERS) {
      throw new SkerryError("RATE_LIMITED", `${MAX_FOLLOWERS} streams of this list are open already`, {
        retryAfterMs: 10_000,
      });
    }
    this.#compare();
    if (!request.signal.aborted) {
      // Not with the generator's end: one that nobody begins to read never ends.
      this.#followers += 1;
      request.signal.addEventListener("abort", () => this.#leave(), { once: true });
      if (this.#followers === 1) this.#lookEachPeriod();
    }
    return this.#batches(request);
  }

  async *#batches({ after, isVisible, signal }: WatchRequest<Item>): AsyncGenerator<readonly WatchMessage<Item>[]> {
    let cursor = this.#placeOf(after);
    let sent = cursor;
    while (!signal.aborted) {
      if (cursor === undefined) {
        cursor = sent = this.#log.revision;
        yield [{ event: "reset" }];
        yield* this.#wholeList(isVisible);
        yield [this.#bookmark(cursor)];
        continue;
      }
      const changes = this.#log.after(cursor, BATCH);
      const last = changes?.at(-1)?.revision;
      if (changes === undefined) {
        this.#compare();
        cursor = undefined;
      } else if (last !== undefined) {
        cursor = last;
        const messages = changes.flatMap((change) => messageOf(change, isVisible) ?? []);
        sent = messages.at(-1)?.revision ?? sent;
        if (messages.length > 0)
          yield messages.map(({ event, revision, item }) => ({ event, id: this.#idOf(revision), item }));
      } else if (!(await this.#isWoken(signal)) && !signal.aborted) {
        yield sent === cursor ? [] : [this.#bookmark(cursor)];
        sent = cursor;
      }
    }
  }

  /** Objects that change meanwhile come again as changes: the place to resume after is the one from before. */
  *#wholeList(isVisible: (item: Item) => boolean): Generator<readonly WatchMessage<Item>[]> {
    const names = this.#log.names();
    for (let at = 0; at < names.length; at += BATCH) {
      const items = names.slice(at, at + BATCH).flatMap((name) => this.#log.get(name) ?? []);
      const messages = items.filter(isVisible).map((item) => ({ event: "added" as const, item }));
      if (messages.length > 0) yield messages;
    }
  }

  #bookmark(revision: number): WatchMessage<Item> {
    return { event: "bookmark", id: this.#idOf(revision) };
  }

  #idOf(revision: number): string {
    return `${this.#instance}.${revision}`;
  }

  /** The revision that `id` names; undefined when it is none of this instance, or none yet. */
  #placeOf(id: string | undefined): number | undefined {
    const prefix = `${this.#instance}.`;
    if (!id?.startsWith(prefix)) return undefined;
    const digits = id.slice(prefix.length);
    const revision = /^\d{1,15}$/.test(digits) ? Number(digits) : Infinity;
    return revision <= this.#log.revision ? revision : undefined;
  }

  #compare(): void {
    const startedAt = this.#clock.now();
    this.#compared = this.#fingerprint();
    this.#touched.clear();
    this.#isAllTouched = false;
    this.#wakeOnChange(this.#log.update(this.#list()));
    this.#wholeFrom = this.#clock.now() + MAX_SHARE * (this.#clock.now() - startedAt);
  }

  #compareTouched(): void {
    const startedAt = this.#clock.now();
    const names = this.#touched;
    this.#touched = new Set();
    this.#wakeOnChange(this.#log.updateSome(names, this.#some?.(names) ?? []));
    const now = this.#clock.now();
    this.#partFrom = now + Math.min(MAX_PART_WAIT_MS, MAX_SHARE * (now - startedAt));
  }

  #wakeOnChange(isChange: boolean): void {
    if (isChange) for (const wake of this.#wakers) wake();
  }

  #lookEachPeriod(): void {
    this.#cancelPeriod = this.#clock.after(PERIOD_MS, () => {
      if (this.#clock.now() >= this.#wholeFrom && this.#fingerprint() !== this.#compared) this.#compare();
      this.#lookEachPeriod();
    });
  }

  #leave(): void {
    this.#followers -= 1;
    if (this.#followers > 0) return;
    this.#cancelPeriod();
    this.#cancelSettle();
    this.#isSettling = false;
    this.#touched.clear();
    this.#isAllTouched = false;
  }

  /** True after a change; false after a heartbeat's time without one, or when the follower left. */
  #isWoken(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (isChanged: boolean): void => {
        cancel();
        this.#wakers.delete(wake);
        signal.removeEventListener("abort", leave);
        resolve(isChanged);
      };
      const wake = (): void => settle(true);
      const leave = (): void => settle(false);
      const cancel = this.#clock.after(HEARTBEAT_MS, leave);
      this.#wakers.add(wake);
      signal.addEventListener("abort", leave, { once: true });
    });
  }
}
