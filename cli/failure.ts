import { EXIT, type ExitCode } from "./exit-codes.ts";

export interface FailureParts {
  /** What happened, to which object, by name. No full stop. */
  readonly what: string;
  /** Why, one line each. */
  readonly why?: readonly string[];
  /** What to do. */
  readonly fix?: string;
  /** More to quote, each with its label, e.g. `asked`. */
  readonly notes?: readonly (readonly [label: string, text: string])[];
}

/** A failure that a person reads and a script recognises. Anything else that is thrown is a fault of Skerry. */
export class CliFailure extends Error {
  readonly exitCode: ExitCode;
  readonly parts: FailureParts;

  constructor(exitCode: ExitCode, parts: FailureParts, options: { readonly cause?: unknown } = {}) {
    super(parts.what, options);
    this.name = "CliFailure";
    this.exitCode = exitCode;
    this.parts = parts;
  }
}

/** By name: under Jest the class exists once per realm. */
export function isCliFailure(error: unknown): error is CliFailure {
  return Error.isError(error) && error.name === "CliFailure" && "parts" in error;
}

/** The command line is wrong. */
export function usageFailure(what: string, fix?: string): CliFailure {
  return new CliFailure(EXIT.usage, fix === undefined ? { what } : { what, fix });
}

/** Somebody pressed Ctrl-C, or the process was asked to end. */
export function interruptedFailure(): CliFailure {
  return new CliFailure(EXIT.interrupted, { what: "interrupted" });
}
