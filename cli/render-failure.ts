import { messageOf } from "../shared/base/errors.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { type CliFailure, isCliFailure } from "./failure.ts";
import type { Style } from "./output/paint.ts";

/** What ends on stderr, and the exit code that goes with it. */
export interface RenderedFailure {
  readonly exitCode: ExitCode;
  /** Empty when there is nothing to say: the person who interrupts knows it. */
  readonly lines: readonly string[];
}

/** Puts whatever was thrown into words: what happened, why, what to do. */
export function renderFailure(error: unknown, paint: Style, options: { readonly debug: boolean }): RenderedFailure {
  if (isCliFailure(error)) return { exitCode: error.exitCode, lines: render(error, paint) };
  const lines = [
    `${paint.bad("error:")} ${messageOf(error)}`,
    note("why", "this should not happen: it is a fault of the command line tool", paint),
  ];
  if (options.debug && Error.isError(error) && error.stack !== undefined) lines.push(error.stack);
  else lines.push(note("fix", "run it again with SKERRY_DEBUG=1 and report what it prints", paint));
  return { exitCode: EXIT.error, lines };
}

function render(failure: CliFailure, paint: Style): readonly string[] {
  if (failure.exitCode === EXIT.interrupted) return [];
  const { what, why = [], fix, notes = [] } = failure.parts;
  const lines = [`${paint.bad("error:")} ${what}`];
  for (const reason of why) lines.push(note("why", reason, paint));
  if (fix !== undefined) lines.push(note("fix", fix, paint));
  for (const [label, text] of notes) lines.push(note(label, text, paint));
  return lines;
}

function note(label: string, text: string, paint: Style): string {
  const [first = "", ...rest] = text.split("\n");
  return [`  ${paint.faint(label.padEnd(8))} ${first}`, ...rest.map((line) => `           ${line}`)].join("\n");
}
