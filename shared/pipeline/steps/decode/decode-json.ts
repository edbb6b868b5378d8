import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { columnName } from "../../tables/columns.ts";
import { documentBounds, numberColumn, rowsOfDocuments } from "../../tables/documents.ts";
import type { Column } from "../../values.ts";

/** `a.b[0].c`: names and places, from the outside to the inside. */
const path = z
  .string()
  .max(256)
  .regex(/^([A-Za-z_][\w-]*|\[\d{1,6}\])(\.[A-Za-z_][\w-]*|\[\d{1,6}\])*$|^$/, "a path is written a.b[0].c");

const params = z.strictObject({
  /** Where the rows are: an array of objects, or one object. Empty: the document itself. */
  rows: path.default(""),
  /** Each column: where its value is in a row, and what it holds. */
  columns: z.record(columnName, z.strictObject({ path, type: z.enum(["number", "text"]).default("number") })),
  ...documentBounds,
});

/** JSON in UTF-8 → a table, by a path for each column. What is missing or null becomes NaN, or the empty text. */
export const decodeJson = defineStep({
  name: "decode-json",
  phase: "pre",
  takes: ["bytes"],
  params,
  check: (_type, { columns }) => ({
    kind: "table",
    columns: Object.fromEntries(Object.entries(columns).map(([name, { type }]) => [name, type])),
  }),
  build: (_type, given) => {
    const rowsPath = partsOf(given.rows);
    const read = (text: string): readonly unknown[] => {
      const rows = valueAt(JSON.parse(text), rowsPath);
      if (rows === undefined || rows === null) throw new StepFault(`has nothing at ${given.rows || "its top"}`);
      return Array.isArray(rows) ? rows : [rows];
    };
    const columns = Object.entries(given.columns).map(([name, { path: at, type }]) => ({
      name,
      parts: partsOf(at),
      make: type === "text" ? textColumn : numbers,
    }));
    return ({ elements }) => {
      const rows = rowsOfDocuments(elements, given, { what: "JSON in UTF-8", columns: columns.length, read });
      const made = columns.map(({ name, parts, make }): [string, Column] => [
        name,
        make(
          name,
          rows.map((row) => valueAt(row, parts) ?? undefined),
        ),
      ]);
      return { kind: "table", rows: rows.length, columns: new Map(made) };
    };
  },
});

const numbers = (name: string, values: readonly unknown[]): Column =>
  numberColumn(name, values, (value) =>
    value === undefined ? Number.NaN : typeof value === "number" ? value : undefined,
  );

const textColumn = (name: string, values: readonly unknown[]): Column =>
  values.map((value, row) => {
    if (value === undefined) return "";
    if (typeof value !== "string") throw new StepFault(`row ${row}, column ${name}: it is no text`);
    return value;
  });

const partsOf = (text: string): readonly (string | number)[] =>
  [...text.matchAll(/[A-Za-z_][\w-]*|\[(\d+)\]/g)].map(([part, index]) => (index === undefined ? part : Number(index)));

function valueAt(value: unknown, parts: readonly (string | number)[]): unknown {
  let found = value;
  for (const part of parts) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, part)) return undefined;
    found = Reflect.get(found, part);
  }
  return found;
}
