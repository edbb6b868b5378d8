import type { SQLOutputValue } from "node:sqlite";

export type Row = Record<string, SQLOutputValue>;

/** A column of text. Throws when it is none, as of a damaged row. */
export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new Error(`the column ${column} of the streams is no text`);
  return value;
}

/** A column of whole numbers. */
export function whole(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new Error(`the column ${column} of the streams is no number`);
  return value;
}

/** A column of bytes. */
export function blob(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new Error(`the column ${column} of the streams holds no bytes`);
  return value;
}
