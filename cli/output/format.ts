import { stringifyExactly } from "../api/exact-json.ts";
import type { OutputFormat } from "./formats.ts";
import type { Output } from "./output.ts";
import type { Column } from "./table.ts";

/** How one kind of object is shown to a person. */
export interface View<Row> {
  readonly columns: readonly Column<Row>[];
  /** What `-o name` prints: fit to be the argument of the next command. */
  readonly name: (row: Row) => string;
  /** What tells a row from all others, where `name` does not. */
  readonly keyOf?: (row: Row) => string;
}

interface Listing<Row> {
  readonly output: Output;
  readonly format: OutputFormat;
  /** The API's answer as it came: what `json` and `yaml` print. */
  readonly raw: unknown;
  readonly rows: readonly Row[];
  readonly view: View<Row>;
  /** What is printed when there are no rows. */
  readonly empty: string;
}

/** Prints a list in the format that was asked for. */
export async function printList<Row>({ output, format, raw, rows, view, empty }: Listing<Row>): Promise<void> {
  switch (format) {
    case "json":
    case "yaml":
      return printRaw(output, format, raw);
    case "name":
      for (const row of rows) output.data(view.name(row));
      return;
    case "table":
    case "wide": {
      if (rows.length === 0) return output.say(empty);
      const { renderTable } = await import("./table.ts");
      return output.data(renderTable(rows, view.columns, { wide: format === "wide", paint: output.paint }));
    }
  }
}

/** Prints one object: as the API sent it, its name, or the text that `describe` makes. */
export async function printObject(
  output: Output,
  format: OutputFormat,
  object: { readonly raw: unknown; readonly name: string; readonly describe: () => string | Promise<string> },
): Promise<void> {
  switch (format) {
    case "json":
    case "yaml":
      return printRaw(output, format, object.raw);
    case "name":
      return output.data(object.name);
    case "table":
    case "wide":
      return output.data(await object.describe());
  }
}

/** True when a program reads the answer, so that nothing but the API's own words may be on stdout. */
export const isMachineFormat = (format: OutputFormat): format is "json" | "yaml" =>
  format === "json" || format === "yaml";

export async function printRaw(output: Output, format: "json" | "yaml", raw: unknown): Promise<void> {
  if (format === "json") return output.data(stringifyExactly(raw, 2));
  const { stringify } = await import("yaml");
  output.data(stringify(raw, { lineWidth: 0 }).trimEnd());
}
