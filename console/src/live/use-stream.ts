import { useEffect, useRef } from "react";
import { Connection } from "./connection.ts";

const connections = new Set<Connection>();

/**
 * Follows one watch while a page shows it, see docs/watching.md. `url`: undefined while there is nothing to follow. `take`
 * gets what is there, new or changed. Nothing is said of a broken link: it is tried again, and the page asks from time to time.
 */
export function useStream<Item>(url: string | undefined, take: (items: readonly Item[]) => void): void {
  const latest = useRef(take);
  useEffect(() => {
    latest.current = take;
  });
  useEffect(() => {
    if (url === undefined) return undefined;
    let lastId: string | undefined;
    const connection = new Connection({
      url,
      lastId: () => lastId,
      onState: () => {},
      onMessages: (messages) => {
        lastId = messages.findLast(({ id }) => id !== undefined)?.id ?? lastId;
        const items = messages
          .filter(({ event }) => event === "added" || event === "modified")
          .map(({ data }) => JSON.parse(data) as Item);
        if (items.length > 0) latest.current(items);
      },
    });
    const leave = connection.open();
    connections.add(connection);
    return () => {
      connections.delete(connection);
      leave();
      connection.close();
    };
  }, [url]);
}

/** After a change of the session. */
export function restartStreams(): void {
  for (const each of connections) each.restart();
}
