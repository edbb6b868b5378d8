import { useMemo, useSyncExternalStore } from "react";
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

  readonly #object: string | undefined;

  /** `object`: `node/edge-a`; undefined: of all. */
  constructor(object?: string) {
    this.#object = object;
    this.#connection = new Connection({
      url: `/api/v1/events${object === undefined ? "" : `?object=${encodeURIComponent(object)}`}`,
      lastId: () => this.#newest,
      onMessages: (messages) => this.#take(messages),
      onState: (link) => this.#set({ ...this.#snapshot, link }),
      before: () => this.#readFirst(),
    });
  }

  readonly snapshot = (): Snapshot => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    tails.add(this);
    const close = this.#connection.open();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0 && this.#object !== undefined) tails.delete(this);
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
    const { items } = await newestEvents(this.#object);
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

async function newestEvents(object: string | undefined): Promise<{ items: readonly SkerryEvent[] }> {
  return bodyOf(
    api.GET("/api/v1/events", { params: { query: { limit: 200, ...(object !== undefined && { object }) } } }),
  );
}

const tails = new Set<EventTail>();
const tail = new EventTail();

/** The newest events, live while something shows them. */
export const useEvents = (): Snapshot => useSyncExternalStore(tail.subscribe, tail.snapshot);

/** The same of one object. */
export function useEventsOf(object: string): Snapshot {
  const own = useMemo(() => new EventTail(object), [object]);
  return useSyncExternalStore(own.subscribe, own.snapshot);
}

/** After a change of the session: nobody sees what another one was shown. */
export function restartEvents(): void {
  for (const each of tails) each.restart();
}
