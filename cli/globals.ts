import { type Command, InvalidArgumentError, Option } from "commander";
import { OUTPUT_FORMATS, type OutputFormat } from "./output/formats.ts";
import { parseDuration } from "./output/units.ts";

/** The options that every command takes. */
export interface Globals {
  readonly format: OutputFormat;
  readonly server: string | undefined;
  readonly context: string | undefined;
  /** File of the authorities by which the server is verified. */
  readonly ca: string | undefined;
  /** For each answer, and for a wait as a whole. */
  readonly timeoutMs: number | undefined;
  /** Of a change, for the audit log. */
  readonly reason: string | undefined;
  readonly wait: boolean;
  readonly quiet: boolean;
  readonly color: boolean;
}

interface RawGlobals {
  readonly output?: OutputFormat;
  readonly server?: string;
  readonly context?: string;
  readonly ca?: string;
  readonly timeout?: number;
  readonly reason?: string;
  readonly wait?: boolean;
  readonly quiet?: boolean;
  readonly color?: boolean;
}

export function addGlobalOptions(program: Command): void {
  program
    .addOption(
      new Option("-o, --output <format>", "how to print what was asked for").choices(OUTPUT_FORMATS).default("table"),
    )
    .option("--server <url>", "the control plane to speak to")
    .option("--context <name>", "the login to use; `dev` is the `skerry dev` of this folder")
    .option("--ca <file>", "verify the server by the authorities in this file (PEM); SKERRY_CA_FILE does the same")
    .option("--timeout <time>", "for each answer, and for a wait as a whole, e.g. 30s, 5m", durationArgument)
    .option("--reason <text>", "why you change something; it goes into the audit log")
    .option("--wait", "wait for what goes on after the answer: apply, models push, deployments, rollout, nodes drain")
    .option("-q, --quiet", "no words on stderr but warnings and errors")
    .option("--no-color", "no colours; NO_COLOR does the same");
}

export function readGlobals(command: Command): Globals {
  const raw = command.optsWithGlobals<RawGlobals>();
  return {
    format: raw.output ?? "table",
    server: raw.server,
    context: raw.context,
    ca: raw.ca,
    timeoutMs: raw.timeout,
    reason: raw.reason,
    wait: raw.wait ?? false,
    quiet: raw.quiet ?? false,
    color: raw.color ?? true,
  };
}

/** Commander's way to turn an argument into milliseconds. */
function durationArgument(text: string): number {
  const ms = parseDuration(text);
  if (ms === null || ms === 0) throw new InvalidArgumentError("Give a time such as 500ms, 30s, 2m or 1h.");
  return ms;
}

/** Commander's way to turn a time into whole seconds, `min` at least: `600`, `10m`, `2h`, `7d`. */
export const wholeSeconds =
  (min: number) =>
  (text: string): number => {
    const seconds = (parseDuration(text) ?? Number.NaN) / 1_000;
    if (!Number.isInteger(seconds) || seconds < min)
      throw new InvalidArgumentError(`Give a time such as 600, 10m, 2h or 7d, of ${min} s at least.`);
    return seconds;
  };

/** Commander's way to turn an argument into a whole number from `min` up, to `max`. */
export const wholeNumber =
  (min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(
        max === Number.MAX_SAFE_INTEGER
          ? `Give a whole number from ${min} up.`
          : `Give a whole number from ${min} to ${max}.`,
      );
    return value;
  };

/** Commander's way to collect `name=value`, given any number of times. */
export function collectPair(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at <= 0) throw new InvalidArgumentError("Give it as name=value.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Commander's way to collect the values of an option that is given any number of times. */
export const collected = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** `-w` of the lists that can be followed. */
export const watchOption = (): Option =>
  new Option(
    "-w, --watch",
    "follow it until Ctrl-C: on a terminal a table that redraws itself, otherwise a line for each change",
  ).conflicts("limit");
