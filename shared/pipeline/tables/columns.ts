import { z } from "zod";
import { StepFault } from "../step.ts";
import type { Column, ColumnType, TypeOf, ValueOf } from "../values.ts";

/** What steps on tables have in common: names of columns, and rows that stay or go. */

export const MAX_COLUMNS = 1_024;
export const MAX_ROWS = 65_536;
export const columnName = z.string().min(1).max(256);
export const columnNames = z.array(columnName).min(1).max(MAX_COLUMNS);

/** Refuses a column that is not there, or of another type. */
export function need({ columns }: TypeOf<"table">, name: string, type?: ColumnType): void {
  const found = Object.hasOwn(columns, name) ? columns[name] : undefined;
  if (found === undefined)
    throw new StepFault(`there is no column ${name}; there are ${Object.keys(columns).join(", ")}`);
  if (type !== undefined && found !== type)
    throw new StepFault(`column ${name} holds ${found}s, and ${type}s are needed`);
}

/** Names of the columns of numbers. */
export const numberColumns = ({ columns }: TypeOf<"table">): readonly string[] =>
  Object.keys(columns).filter((name) => columns[name] === "number");

export function numbersOf({ columns }: ValueOf<"table">, name: string): Float64Array {
  const column = columns.get(name);
  if (!(column instanceof Float64Array)) throw new StepFault(`there is no column ${name} of numbers`);
  return column;
}

export function textsOf({ columns }: ValueOf<"table">, name: string): readonly string[] {
  const column = columns.get(name);
  if (column === undefined || column instanceof Float64Array)
    throw new StepFault(`there is no column ${name} of texts`);
  return column;
}

/** A table with some of its columns replaced. */
export const withColumns = (
  table: ValueOf<"table">,
  changed: Iterable<readonly [string, Column]>,
): ValueOf<"table"> => ({
  ...table,
  columns: new Map([...table.columns, ...changed]),
});

/** The rows that `keeps` answers true for, in their order. */
export function keepRows(table: ValueOf<"table">, keeps: (row: number) => boolean): ValueOf<"table"> {
  const kept = Array.from({ length: table.rows }, (_, row) => row).filter(keeps);
  if (kept.length === table.rows) return table;
  const columns = [...table.columns].map(([name, column]): [string, Column] => [
    name,
    column instanceof Float64Array
      ? Float64Array.from(kept, (row) => column[row] ?? Number.NaN)
      : kept.map((row) => column[row] ?? ""),
  ]);
  return { kind: "table", rows: kept.length, columns: new Map(columns) };
}
