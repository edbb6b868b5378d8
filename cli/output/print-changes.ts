import type { ItemChange } from "../api/watch-list.ts";
import { stringifyExactly } from "../api/exact-json.ts";
import { printRaw, type View } from "./format.ts";
import type { OutputFormat } from "./formats.ts";
import { LiveRows } from "./live-rows.ts";
import type { Output } from "./output.ts";
import { RowPrinter } from "./row-printer.ts";

interface ChangeListing<Item> {
  readonly output: Output;
  readonly format: OutputFormat;
  readonly view: View<Item>;
  /** What a person reads when there is nothing at first. */
  readonly empty: string;
  readonly signal: AbortSignal;
}

/**
 * Shows what changes in a list. For a person at a terminal: a table that redraws itself. Otherwise a line for each change,
 * or with `-o json` a document in a line. Never returns.
 */
export async function printChanges<Item>(
  batches: AsyncIterable<readonly ItemChange<Item>[]>,
  options: ChangeListing<Item>,
): Promise<void> {
  const { output, format, view, empty } = options;
  const isTable = format === "table" || format === "wide";
  if (isTable && output.liveData) return new LiveRows(options).follow(batches);
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
  for await (const changes of batches) {
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
