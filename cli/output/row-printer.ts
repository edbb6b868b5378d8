import { stripVTControlCharacters } from "node:util";
import type { Output } from "./output.ts";
import type { Column } from "./table.ts";

/**
 * Prints rows one after the other under the same headers. A column is as wide as the widest cell so far: rows that come
 * later may be wider, and what is printed stays.
 */
export class RowPrinter<Row> {
  readonly #output: Output;
  readonly #columns: readonly Column<Row>[];
  #widths: readonly number[];
  #hasHeader = false;

  constructor(output: Output, columns: readonly Column<Row>[], options: { readonly wide: boolean }) {
    this.#output = output;
    this.#columns = columns.filter((column) => options.wide || column.wide !== true);
    this.#widths = this.#columns.map(({ header }) => header.length);
  }

  print(rows: readonly Row[]): void {
    const { paint } = this.#output;
    const lines = rows.map((row) => this.#columns.map((column) => oneLine(column.value(row, paint))));
    this.#widths = this.#widths.map((width, at) => Math.max(width, ...lines.map((cells) => widthOf(cells[at] ?? ""))));
    if (!this.#hasHeader) this.#line(this.#columns.map(({ header }) => paint.faint(header)));
    this.#hasHeader = true;
    for (const cells of lines) this.#line(cells);
  }

  #line(cells: readonly string[]): void {
    const padded = cells.map((cell, at) => {
      const space = " ".repeat((this.#widths[at] ?? 0) - widthOf(cell));
      return this.#columns[at]?.align === "right" ? `${space}${cell}` : `${cell}${space}`;
    });
    this.#output.data(padded.join("  ").trimEnd());
  }
}

const widthOf = (cell: string): number => stripVTControlCharacters(cell).length;
const oneLine = (text: string): string => (text === "" ? "–" : text.replaceAll(/\s*\n\s*/g, " "));
