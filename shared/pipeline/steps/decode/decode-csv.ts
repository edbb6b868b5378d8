import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { columnName } from "../../tables/columns.ts";
import { documentBounds, numberColumn, rowsOfDocuments } from "../../tables/documents.ts";
import type { Column } from "../../values.ts";

const params = z.strictObject({
  /** Those that are read, and what each holds. Others are passed over. */
  columns: z.record(columnName, z.enum(["number", "text"])),
  delimiter: z.string().length(1).default(","),
  /** The first line has the names; else the columns are those above, in that order. */
  header: z.boolean().default(true),
  /** Texts that stand for a missing number, beside the empty one. */
  missing: z.array(z.string().max(32)).max(16).default(["NA", "NaN", "nan", "null"]),
  ...documentBounds,
});

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
    const what = "CSV in UTF-8, or its lines have different numbers of cells";
    const read = (text: string): readonly (readonly string[])[] => {
      const lines = parseCsv(text, given.delimiter);
      return given.header ? named(lines.slice(1), lines[0] ?? [], names) : named(lines, names, names);
    };
    return ({ elements }) => {
      const rows = rowsOfDocuments(elements, given, { what, columns: names.length, read });
      const columns = names.map((name, at): [string, Column] => {
        const cells = rows.map((row) => row[at] ?? "");
        if (given.columns[name] === "text") return [name, cells];
        return [name, numberColumn(name, cells, (cell) => numberOf(cell.trim(), given.missing))];
      });
      return { kind: "table", rows: rows.length, columns: new Map(columns) };
    };
  },
});

/** Cells of the named columns, row by row. */
function named(
  lines: readonly (readonly string[])[],
  header: readonly string[],
  names: readonly string[],
): readonly (readonly string[])[] {
  const places = names.map((name) => {
    const place = header.indexOf(name);
    if (place === -1) throw new StepFault(`has no column ${name}`);
    return place;
  });
  return lines.map((cells) => places.map((place) => cells[place] ?? ""));
}

function numberOf(text: string, missing: readonly string[]): number | undefined {
  if (text === "" || missing.includes(text)) return Number.NaN;
  const value = Number(text);
  return Number.isFinite(value) && !/^[+-]?0[xob]/i.test(text) ? value : undefined;
}
