import type { Command } from "commander";

const examplesOf = new WeakMap<Command, readonly string[]>();

/** Gives a command its examples: shown under its `--help` and in docs/cli.md. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  examplesOf.set(command, examples);
  const title = examples.length === 1 ? "Example:" : "Examples:";
  return command.addHelpText("after", `\n${title}\n${examples.map((example) => `  ${example}`).join("\n")}`);
}

export const examplesFor = (command: Command): readonly string[] => examplesOf.get(command) ?? [];
