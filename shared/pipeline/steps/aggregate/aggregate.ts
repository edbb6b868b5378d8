import { z } from "zod";
import { checkNumbers } from "../../limits.ts";
import { defineStep, StepFault } from "../../step.ts";
import { columnName, MAX_COLUMNS, MAX_ROWS, need, numbersOf } from "../../tables/columns.ts";
import { statistic, statisticOf } from "../../tables/statistics.ts";
import type { Column, ColumnType, ValueOf } from "../../values.ts";

const MAX_KEYS = 4_096;
const DEFAULT_KEYS = 256;
const rows = z.number().int().min(1).max(MAX_ROWS);
const params = z
  .strictObject({
    /** Rows of one key make windows of their own; left out: all rows do. */
    key: columnName.optional(),
    /** Rows of a window, and from the beginning of one to that of the next: as many for windows that do not overlap. */
    rows,
    step: rows,
    /** Columns of the result, beside the key. */
    columns: z.record(columnName, statistic),
    /** More are refused; left out: `DEFAULT_KEYS`. */
    maxKeys: z.number().int().min(1).max(MAX_KEYS).optional(),
  })
  .check(({ value, issues }) => {
    if (value.step > value.rows)
      issues.push({
        code: "custom",
        message: "step is at most rows: no row is left out",
        path: ["step"],
        input: value,
      });
    if (Object.keys(value.columns).length > MAX_COLUMNS || Object.hasOwn(value.columns, value.key ?? ""))
      issues.push({
        code: "custom",
        message: "the key is a column of the result already",
        path: ["columns"],
        input: value,
      });
  });

/**
 * Rows of a table in their order → a row for each window of each key: sliding windows, or tumbling ones where `step` is `rows`. Rows that
 * fill no window are left out. Missing numbers do not count; a window without a number has NaN. Percentiles are between the nearest
 * ranks, as NumPy's `percentile`; `std` is that of the whole, as NumPy's.
 */
export const aggregate = defineStep({
  name: "aggregate",
  phase: "pre",
  takes: ["table"],
  params,
  idleField: ({ key, maxKeys }) =>
    key === undefined && maxKeys !== undefined ? "maxKeys: without `key` it does nothing: leave it out" : undefined,
  check: (type, { key, columns }) => {
    if (key !== undefined) need(type, key);
    for (const each of Object.values(columns)) if (each.how !== "count") need(type, each.of, "number");
    const made = Object.keys(columns).map((name) => [name, "number"] as const);
    const keyType: Record<string, ColumnType> = key === undefined ? {} : { [key]: type.columns[key] ?? "text" };
    return { kind: "table", columns: { ...keyType, ...Object.fromEntries(made) } };
  },
  build:
    (_type, { key, rows: size, step, columns, maxKeys = DEFAULT_KEYS }) =>
    (table) => {
      const windows = windowsOf(rowsByKey(table, key, maxKeys), size, step);
      const made = Object.entries(columns).map(([name, each]): [string, Column] => [
        name,
        Float64Array.from(windows, (window) => {
          const column = each.how === "count" ? undefined : numbersOf(table, each.of);
          const numbers = column === undefined ? [] : window.map((row) => column[row] ?? Number.NaN);
          return statisticOf(numbers, window.length, each);
        }),
      ]);
      const keys = key === undefined ? [] : [[key, firstOf(table.columns.get(key) ?? [], windows)] as [string, Column]];
      return { kind: "table", rows: windows.length, columns: new Map([...keys, ...made]) };
    },
});

function rowsByKey(table: ValueOf<"table">, key: string | undefined, maxKeys: number): readonly (readonly number[])[] {
  const all = Array.from({ length: table.rows }, (_, row) => row);
  if (key === undefined) return [all];
  const column = table.columns.get(key);
  const groups = Map.groupBy(all, (row) => column?.[row]);
  if (groups.size > maxKeys) throw new StepFault(`there are ${groups.size} keys; maxKeys is ${maxKeys}`);
  return [...groups.values()];
}

/** In the order in which they end. */
function windowsOf(groups: readonly (readonly number[])[], size: number, step: number): readonly (readonly number[])[] {
  const countOf = (group: readonly number[]): number => Math.max(0, 1 + Math.floor((group.length - size) / step));
  checkNumbers(size * groups.reduce((sum, group) => sum + countOf(group), 0));
  const windows = groups.flatMap((group) =>
    Array.from({ length: countOf(group) }, (_, at) => group.slice(at * step, at * step + size)),
  );
  return windows.toSorted((a, b) => (a.at(-1) ?? 0) - (b.at(-1) ?? 0));
}

const firstOf = (column: Column, windows: readonly (readonly number[])[]): Column =>
  column instanceof Float64Array
    ? Float64Array.from(windows, ([row = 0]) => column[row] ?? Number.NaN)
    : windows.map(([row = 0]) => column[row] ?? "");
