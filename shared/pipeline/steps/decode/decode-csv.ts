import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { columnName, MAX_ROWS } from "../../tables/columns.ts";
import type { Column, ColumnType } from "../../values.ts";

const MIB = 1_048_576;
const params = z.strictObject({
  /** Those that are read, and what each holds. Others are passed over. */
  columns: z.record(columnName, z.enum(["number", "text"])),
  delimiter: z.string().length(1).default(","),
  /** The first line has the names; else the columns are those above, in that order. */
  header: z.boolean().default(true),
  /** Texts that stand for a missing number, beside the empty one. */
  missing: z.array(z.string().max(32)).max(16).default(["NA", "NaN", "nan", "null"]),
  /** Of all elements of a request together. */
  maxRows: z.number().int().min(1).max(MAX_ROWS).default(10_000),
  maxBytes: z
    .number()
    .int()
    .min(1)
    .max(8 * MIB)
    .default(MIB),
});
type Params = z.infer<typeof params>;

/**
 * CSV by RFC 4180, in UTF-8 → a table. A number is a decimal one, with a point; a missing one becomes NaN. Rows of several
 * elements follow one another.
 */
export const decodeCsv = defineStep({
  name: "decode-csv",
  phase: "pre",
  takes: ["bytes"],
  params,
  check: (_type, { columns }) => ({ kind: "table", columns }),
  build: (_type, given, { parseCsv }) => {
    const names = Object.keys(given.columns);
    return ({ elements }) => {
      const rows = elements.flatMap((bytes, at) => readRows(bytes, at, { given, parseCsv, names }));
      if (rows.length > given.maxRows)
        throw new StepFault(`there are ${rows.length} rows; maxRows is ${given.maxRows}`);
      const columns = names.map((name, column): [string, Column] => {
        const cells = rows.map((row) => row[column] ?? "");
        return [name, typed(cells, given.columns[name] ?? "text", { name, missing: given.missing })];
      });
      return { kind: "table", rows: rows.length, columns: new Map(columns) };
    };
  },
});

/** Cells of the named columns, row by row. */
function readRows(
  bytes: Uint8Array,
  at: number,
  {
    given,
    parseCsv,
    names,
  }: {
    readonly given: Params;
    readonly parseCsv: (text: string, delimiter: string) => readonly (readonly string[])[];
    readonly names: readonly string[];
  },
): readonly (readonly string[])[] {
  if (bytes.byteLength > given.maxBytes)
    throw new StepFault(`element ${at} has ${bytes.byteLength} bytes; maxBytes is ${given.maxBytes}`);
  let lines: readonly (readonly string[])[];
  try {
    lines = parseCsv(new TextDecoder("utf-8", { fatal: true }).decode(bytes), given.delimiter);
  } catch {
    throw new StepFault(`element ${at} is not CSV in UTF-8, or its lines have different numbers of cells`);
  }
  const [first = [], ...rest] = lines;
  const found = given.header ? first : names;
  const places = names.map((name) => {
    const place = found.indexOf(name);
    if (place === -1) throw new StepFault(`element ${at} has no column ${name}`);
    return place;
  });
  return (given.header ? rest : lines).map((cells) => places.map((place) => cells[place] ?? ""));
}

function typed(
  cells: readonly string[],
  type: ColumnType,
  { name, missing }: { readonly name: string; readonly missing: readonly string[] },
): Column {
  if (type === "text") return cells;
  return Float64Array.from(cells, (cell, row) => {
    const text = cell.trim();
    if (text === "" || missing.includes(text)) return Number.NaN;
    const value = Number(text);
    if (!Number.isFinite(value) || /^[+-]?0[xob]/i.test(text))
      throw new StepFault(`row ${row}, column ${name}: it is no number`);
    return value;
  });
}
