import type { Output } from "./output.ts";

/**
 * A few lines that tell how things stand, one for each thing that is waited for. On a terminal they redraw
 * themselves in place; elsewhere a line is printed when it says something new, so that a log tells the same story.
 */
export class LiveLines {
  readonly #output: Output;
  #shown: readonly string[] = [];
  readonly #said = new Map<string, string>();

  constructor(output: Output) {
    this.#output = output;
  }

  /** `lines`: key → text. A key is what the line is about and stays the same while its text changes. */
  show(lines: ReadonlyMap<string, string>): void {
    if (this.#output.live) return this.#redraw([...lines.values()]);
    for (const [key, text] of lines) {
      if (this.#said.get(key) === text) continue;
      this.#said.set(key, text);
      this.#output.say(text);
    }
  }

  /** Leaves the last lines standing, or takes them away. */
  end(options: { readonly keep: boolean }): void {
    if (this.#output.live && !options.keep) this.#redraw([]);
    this.#shown = [];
  }

  #redraw(lines: readonly string[]): void {
    const width = this.#output.streams.err.columns ?? 80;
    const fitting = lines.map((line) => clip(line, width - 1));
    if (fitting.length === this.#shown.length && fitting.every((line, index) => line === this.#shown[index])) return;
    const up = this.#shown.length > 0 ? `\u001b[${this.#shown.length}A` : "";
    // Up to the first line, clear from there to the end of the screen, write anew.
    this.#output.streams.err.write(`${up}\r\u001b[J${fitting.map((line) => `${line}\n`).join("")}`);
    this.#shown = fitting;
  }
}

// A line that wraps would take two rows, and the cursor would go up one too few.
function clip(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, Math.max(1, width - 1))}…`;
}
