import type { Received } from "./watched-list.ts";

/** Which node a page is about: a name may pass to another node, an id does not. */
export interface ShownNode {
  readonly id: string;
  readonly name: string;
  /** What it was called until it was renamed, while the page was open. */
  readonly before?: string;
}

interface Identified {
  readonly id: string;
  readonly name: string;
}

/**
 * The row that a page for `name` shows: that of the node with this name, else that of the node which had it while the page
 * `shown` it. Undefined: there is none.
 */
export function followedNode<Item extends Identified>(
  { byName, rows }: { readonly byName: ReadonlyMap<string, Received<Item>>; readonly rows: readonly Received<Item>[] },
  name: string,
  shown: ShownNode | undefined,
): Received<Item> | undefined {
  const row = byName.get(name);
  if (row !== undefined || shown === undefined) return row;
  return shown.name === name || shown.before === name ? rows.find(({ item }) => item.id === shown.id) : undefined;
}

/** What the page shows, once it has found `row`. The same object when that is no news. */
export function shownAfter(shown: ShownNode | undefined, row: Identified | undefined): ShownNode | undefined {
  if (row === undefined || (shown?.id === row.id && shown.name === row.name)) return shown;
  const { id, name } = row;
  return shown?.id === id ? { id, name, before: shown.name } : { id, name };
}
