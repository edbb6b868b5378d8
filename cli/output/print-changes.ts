import type { z } from "zod";
import type { ApiClient } from "../api/client.ts";
import { stringifyExactly } from "../api/exact-json.ts";
import { type ItemChange, type WatchedList, watchList } from "../api/watch-list.ts";
import type { CommandContext } from "../run.ts";
import { printRaw, type View } from "./format.ts";
import { LiveRows } from "./live-rows.ts";
import type { Output } from "./output.ts";
import { RowPrinter } from "./row-printer.ts";

interface ChangeListing<Item> {
  readonly view: View<Item>;
  /** What a person reads when there is nothing at first. */
  readonly empty: string;
}

/**
 * Follows a list and shows what changes in it. For a person at a terminal: a table that redraws itself, also while the link is
 * away. Otherwise a line for each change, or with `-o json` a document in a line. Never returns.
 */
export async function printChanges<Schema extends z.ZodType>(
  run: CommandContext,
  api: ApiClient,
  list: WatchedList<Schema>,
  { view, empty }: ChangeListing<z.infer<Schema>>,
): Promise<void> {
  type Item = z.infer<Schema>;
  const { output, signal } = run;
  const { format } = run.globals;
  const isTable = format === "table" || format === "wide";
  if (isTable && output.liveData) {
    const { server } = api.target;
    const live = new LiveRows<Item>({ output, isWide: format === "wide", view, empty, server, signal });
    const onLink = (isOpen: boolean): void => live.linked(isOpen);
    return live.follow(watchList(run, api, { ...list, onLink }));
  }
  const rows = new RowPrinter<ItemChange<Item>>(
    output,
    [
      { header: "EVENT", value: ({ event }) => event },
      ...view.columns.map((column) => ({
        ...column,
        value: ({ item }: ItemChange<Item>, paint: Output["paint"]) => column.value(item, paint),
      })),
    ],
    { wide: format === "wide" },
  );
  let isFirst = true;
  for await (const changes of watchList(run, api, list)) {
    if (isFirst && changes.length === 0) output.say(empty);
    isFirst = false;
    if (isTable) {
      if (changes.length > 0) rows.print(changes);
      continue;
    }
    for (const { event, item, raw } of changes) {
      if (format === "name") output.data(view.name(item));
      else if (format === "json") output.data(stringifyExactly({ event, item: raw }));
      else {
        output.data("---");
        await printRaw(output, format, { event, item: raw });
      }
    }
  }
}
