import { stripVTControlCharacters } from "node:util";
import { escapeControls } from "../../shared/base/plain-text.ts";
import type { Output } from "./output.ts";

/** Rows of a terminal that does not say how many it has. */
const ROWS = 24;

/**
 * Text on stdout that redraws itself in place, for a person at a terminal. Lines are clipped to the terminal, since one
 * that wraps would take two rows and the cursor would go up one too few.
 */
export class LiveTable {
  readonly #output: Output;
  #shown: readonly string[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  draw(text: string): void {
    const { columns = 80, rows = ROWS } = this.#output.streams.out;
    const lines = escapeControls(text).split("\n");
    const left = lines.length - (rows - 1);
    const fitting = left > 0 ? [...lines.slice(0, rows - 2), `… ${left + 1} more lines`] : lines;
    const clipped = fitting.map((line) => clip(line, columns - 1));
    if (clipped.join("\n") === this.#shown.join("\n")) return;
    const up = this.#shown.length > 0 ? `\u001b[${this.#shown.length}A` : "";
    this.#output.streams.out.write(`${up}\r\u001b[J${clipped.map((line) => `${line}\n`).join("")}`);
    this.#shown = clipped;
  }
}

/** A line that is too long loses its colours: a cut in the middle of one would colour the rest of the screen. */
function clip(line: string, width: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length <= width ? line : `${plain.slice(0, Math.max(1, width - 1))}…`;
}
