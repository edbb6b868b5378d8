import type { EventSourceMessage } from "eventsource-parser";
import {
  emptyList,
  withMessages,
  type Received,
  type WatchedList,
  type WatchedMessage,
} from "../core/fleet/watched-list.ts";
import { Connection, type LinkState } from "./connection.ts";

/** What a page shows of a watched list. `rows`: sorted by name. */
export interface LiveSnapshot<Item> {
  readonly rows: readonly Received<Item>[];
  readonly byName: ReadonlyMap<string, Received<Item>>;
  readonly isWhole: boolean;
  readonly link: LinkState;
}

/**
 * A list that the server watches. Messages of one frame are drawn together: a fleet that changes a hundred times in a
 * second costs at most sixty draws.
 */
export class LiveList<Item extends { readonly name: string }> {
  readonly #connection: Connection;
  readonly #listeners = new Set<() => void>();
  #list: WatchedList<Item> = emptyList();
  #waiting: WatchedMessage<Item>[] = [];
  #link: LinkState = { kind: "connecting" };
  #snapshot: LiveSnapshot<Item> = { rows: [], byName: new Map(), isWhole: false, link: this.#link };
  #isScheduled = false;

  constructor(url: string) {
    this.#connection = new Connection({
      url,
      lastId: () => this.#list.lastId,
      onMessages: (messages) => this.#take(messages),
      onState: (state) => {
        this.#link = state;
        this.#schedule();
      },
    });
  }

  readonly snapshot = (): LiveSnapshot<Item> => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    const close = this.#connection.open();
    return () => {
      this.#listeners.delete(listener);
      close();
    };
  };

  /** Somebody else has signed in: what was seen counts no more. */
  restart(): void {
    this.#list = emptyList();
    this.#waiting = [];
    this.#connection.restart();
    this.#draw();
  }

  #take(messages: readonly EventSourceMessage[]): void {
    for (const { event = "message", id, data } of messages) {
      const hasItem = event !== "reset" && event !== "bookmark";
      // The schema of the server's answer is the generated client's; a test compares both.
      this.#waiting.push({ event, id, ...(hasItem && { item: JSON.parse(data) as Item }) });
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // A hidden tab draws no frames, and its messages must not pile up.
    if (document.visibilityState === "visible") requestAnimationFrame(() => this.#draw());
    else setTimeout(() => this.#draw(), 200);
  }

  #draw(): void {
    this.#isScheduled = false;
    const isChanged = this.#waiting.length > 0;
    if (isChanged) this.#list = withMessages(this.#list, this.#waiting, Date.now());
    this.#waiting = [];
    const { rows, isWhole } = this.#list;
    const isSame = !isChanged && this.#snapshot.byName === rows;
    this.#snapshot = {
      rows: isSame ? this.#snapshot.rows : [...rows.values()].toSorted((a, b) => (a.item.name < b.item.name ? -1 : 1)),
      byName: rows,
      isWhole,
      link: this.#link,
    };
    for (const listener of this.#listeners) listener();
  }
}
