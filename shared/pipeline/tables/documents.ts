import { z } from "zod";
import { checkNumbers } from "../limits.ts";
import { isStepFault, StepFault } from "../step.ts";
import { MAX_ROWS } from "./columns.ts";
import type { Column } from "../values.ts";

/** What the steps have in common that make a table of documents: bounds, UTF-8, and complaints that name the place. */

const MIB = 1_048_576;

/** Parameters of such a step. */
export const documentBounds = {
  /** Of all elements of a request together. */
  maxRows: z.number().int().min(1).max(MAX_ROWS).default(10_000),
  /** Of each element. */
  maxBytes: z
    .number()
    .int()
    .min(1)
    .max(8 * MIB)
    .default(MIB),
};

interface Bounds {
  readonly maxRows: number;
  readonly maxBytes: number;
}

/**
 * Rows of all elements, one after the other. `read` makes rows of a document; what it throws that is no `StepFault` means
 * that it is not `what`. `columns`: how many the table gets. Throws `StepFault` that names the element.
 */
export function rowsOfDocuments<Row>(
  elements: readonly Uint8Array[],
  { maxRows, maxBytes }: Bounds,
  of: { readonly what: string; readonly columns: number; readonly read: (text: string) => readonly Row[] },
): readonly Row[] {
  const rows = elements.flatMap((bytes, at) => {
    if (bytes.byteLength > maxBytes)
      throw new StepFault(`element ${at} has ${bytes.byteLength} bytes; maxBytes is ${maxBytes}`);
    try {
      return of.read(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch (error) {
      if (isStepFault(error)) throw new StepFault(`element ${at} ${error.message}`);
      throw new StepFault(`element ${at} is not ${of.what}`);
    }
  });
  if (rows.length > maxRows) throw new StepFault(`there are ${rows.length} rows; maxRows is ${maxRows}`);
  // A row of JSON may be two characters, and has a value in each column.
  checkNumbers(rows.length * of.columns);
  return rows;
}

/** Numbers of a column. `read` answers NaN for a missing one, and undefined for what is no number. */
export const numberColumn = <Cell>(
  name: string,
  cells: readonly Cell[],
  read: (cell: Cell) => number | undefined,
): Column =>
  Float64Array.from(cells, (cell, row) => {
    const value = read(cell);
    if (value === undefined) throw new StepFault(`row ${row}, column ${name}: it is no number`);
    return value;
  });
