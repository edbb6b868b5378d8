import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { columnName, MAX_ROWS } from "../../tables/columns.ts";
import type { Column, ColumnType } from "../../values.ts";

const MIB = 1_048_576;
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
  maxRows: z.number().int().min(1).max(MAX_ROWS).default(10_000),
  maxBytes: z
    .number()
    .int()
    .min(1)
    .max(8 * MIB)
    .default(MIB),
});
type Params = z.infer<typeof params>;

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
    const columns = Object.entries(given.columns).map(([name, { path: at, type }]) => ({
      name,
      parts: partsOf(at),
      type,
    }));
    return ({ elements }) => {
      const rows = elements.flatMap((bytes, at) => readRows(bytes, at, { given, rowsPath }));
      if (rows.length > given.maxRows)
        throw new StepFault(`there are ${rows.length} rows; maxRows is ${given.maxRows}`);
      return {
        kind: "table",
        rows: rows.length,
        columns: new Map(columns.map(({ name, parts, type }) => [name, columnOf(rows, { name, parts, type })])),
      };
    };
  },
});

function readRows(
  bytes: Uint8Array,
  at: number,
  { given, rowsPath }: { readonly given: Params; readonly rowsPath: readonly (string | number)[] },
): readonly unknown[] {
  if (bytes.byteLength > given.maxBytes)
    throw new StepFault(`element ${at} has ${bytes.byteLength} bytes; maxBytes is ${given.maxBytes}`);
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new StepFault(`element ${at} is not JSON in UTF-8`);
  }
  const rows = valueAt(document, rowsPath);
  if (rows === undefined || rows === null)
    throw new StepFault(`element ${at} has nothing at ${given.rows || "its top"}`);
  return Array.isArray(rows) ? rows : [rows];
}

function columnOf(
  rows: readonly unknown[],
  {
    name,
    parts,
    type,
  }: { readonly name: string; readonly parts: readonly (string | number)[]; readonly type: ColumnType },
): Column {
  const values = rows.map((row) => valueAt(row, parts) ?? undefined);
  if (type === "text")
    return values.map((value, row) => {
      if (value === undefined) return "";
      if (typeof value !== "string") throw new StepFault(`row ${row}, column ${name}: it is no text`);
      return value;
    });
  return Float64Array.from(values, (value, row) => {
    if (value === undefined) return Number.NaN;
    if (typeof value !== "number") throw new StepFault(`row ${row}, column ${name}: it is no number`);
    return value;
  });
}

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
