/** A row of a watched list, and when this page received it, in ms of its clock: ages go on from there. */
export interface Received<Item> {
  readonly item: Item;
  readonly at: number;
}

/** One message of a watch, see docs/watching.md. */
export interface WatchedMessage<Item> {
  readonly event: string;
  readonly id: string | undefined;
  /** Absent with `reset` and `bookmark`. */
  readonly item?: Item | undefined;
}

/** What is known of a list that is watched. `rows`: by name; the whole list once `isWhole`. */
export interface WatchedList<Item> {
  readonly rows: ReadonlyMap<string, Received<Item>>;
  /** Rows that arrive between `reset` and `bookmark`: shown when they are whole. */
  readonly arriving: ReadonlyMap<string, Received<Item>> | undefined;
  readonly isWhole: boolean;
  /** After which message a broken connection goes on. */
  readonly lastId: string | undefined;
}

export const emptyList = <Item>(): WatchedList<Item> => ({
  rows: new Map(),
  arriving: undefined,
  isWhole: false,
  lastId: undefined,
});

/** The list after some messages, which were received at `at`. A batch copies the rows once. */
export function withMessages<Item extends { readonly name: string }>(
  list: WatchedList<Item>,
  messages: readonly WatchedMessage<Item>[],
  at: number,
): WatchedList<Item> {
  let { arriving, isWhole, lastId } = list;
  let rows: Map<string, Received<Item>> = new Map(list.rows);
  let next = arriving && new Map(arriving);
  for (const { event, id, item } of messages) {
    if (event === "reset") next = new Map();
    else if (event === "bookmark") {
      if (next !== undefined) rows = next;
      next = undefined;
      isWhole = true;
    } else if (item !== undefined) {
      const into = next ?? rows;
      if (event === "deleted") into.delete(item.name);
      else into.set(item.name, { item, at });
    }
    lastId = id ?? lastId;
  }
  return { rows, arriving: next, isWhole, lastId };
}
