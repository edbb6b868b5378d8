import { useSyncExternalStore } from "react";
import type { EventSourceMessage } from "eventsource-parser";
import { api, bodyOf } from "../api/client.ts";
import type { SkerryEvent } from "../api/types.ts";
import { Connection, type LinkState } from "./connection.ts";

/** How many of the newest events a page keeps; older ones are asked for. */
const KEPT = 500;

interface Snapshot {
  /** The newest first. */
  readonly events: readonly SkerryEvent[];
  readonly isWhole: boolean;
  readonly link: LinkState;
}

/** What happens, as it happens, beginning with the newest events of before. */
class EventTail {
  readonly #listeners = new Set<() => void>();
  readonly #connection: Connection;
  #snapshot: Snapshot = { events: [], isWhole: false, link: { kind: "connecting" } };
  #newest: string | undefined;

  constructor() {
    this.#connection = new Connection({
      url: "/api/v1/events",
      lastId: () => this.#newest,
      onMessages: (messages) => this.#take(messages),
      onState: (link) => this.#set({ ...this.#snapshot, link }),
      before: () => this.#readFirst(),
    });
  }

  readonly snapshot = (): Snapshot => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    const close = this.#connection.open();
    return () => {
      this.#listeners.delete(listener);
      close();
    };
  };

  restart(): void {
    this.#newest = undefined;
    this.#set({ events: [], isWhole: false, link: { kind: "connecting" } });
    this.#connection.restart();
  }

  /** The stream begins after the newest event that is known: none is missed between the two. */
  async #readFirst(): Promise<void> {
    if (this.#snapshot.isWhole) return;
    const { items } = await newestEvents();
    this.#newest = items.at(-1)?.id;
    this.#set({ ...this.#snapshot, events: items.toReversed(), isWhole: true });
  }

  #take(messages: readonly EventSourceMessage[]): void {
    const arrived = messages.map(({ data }) => JSON.parse(data) as SkerryEvent);
    this.#newest = arrived.at(-1)?.id ?? this.#newest;
    this.#set({ ...this.#snapshot, events: [...arrived.toReversed(), ...this.#snapshot.events].slice(0, KEPT) });
  }

  #set(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    for (const listener of this.#listeners) listener();
  }
}

async function newestEvents(): Promise<{ items: readonly SkerryEvent[] }> {
  return bodyOf(api.GET("/api/v1/events", { params: { query: { limit: 200 } } }));
}

const tail = new EventTail();

/** The newest events, live while something shows them. */
export const useEvents = (): Snapshot => useSyncExternalStore(tail.subscribe, tail.snapshot);
export const restartEvents = (): void => tail.restart();
