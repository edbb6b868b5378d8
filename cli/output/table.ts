import Table from "cli-table3";
import type { Style } from "./paint.ts";

export interface Column<Row> {
  readonly header: string;
  readonly value: (row: Row, paint: Style) => string;
  /** Shown with `-o wide` only. */
  readonly wide?: boolean;
  /** A figure that changes without a change that a watch reports: left out of tables that follow one. */
  readonly isMeasured?: boolean;
  readonly align?: "right";
}

// No rules and no frame: lines that begin with data are what `grep`, `awk` and a narrow terminal can use.
const BARE = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
} as const;

/** Rows under their headers, two spaces apart. */
export function renderTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: { readonly wide: boolean; readonly paint: Style },
): string {
  const shown = columns.filter((column) => options.wide || column.wide !== true);
  const table = new Table({
    head: shown.map((column) => options.paint.faint(column.header)),
    colAligns: shown.map((column) => column.align ?? "left"),
    chars: BARE,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  for (const row of rows) table.push(shown.map((column) => oneLine(column.value(row, options.paint))));
  return trimLines(table.toString());
}

// A line break inside a cell would begin a row that is none.
const oneLine = (text: string): string => (text === "" ? "–" : text.replaceAll(/\s*\n\s*/g, " "));
const trimLines = (text: string): string =>
  text
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");

/** `name  value` lines, values aligned. Empty values are left out. */
export function renderFields(fields: readonly (readonly [name: string, value: string])[], paint: Style): string {
  const present = fields.filter(([, value]) => value !== "");
  const width = Math.max(0, ...present.map(([name]) => name.length));
  return present
    .map(([name, value]) => {
      const [first = "", ...rest] = value.split("\n");
      return [
        `${paint.faint(name.padEnd(width))}  ${first}`,
        ...rest.map((line) => `${" ".repeat(width + 2)}${line}`),
      ].join("\n");
    })
    .join("\n");
}
