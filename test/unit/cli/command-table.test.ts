import { describe, expect, it } from "@jest/globals";
import { Command } from "commander";
import { COMMAND_GROUPS } from "../../../cli/command-table.ts";
import { buildProgram } from "../../../cli/program.ts";
import { CommandRunner } from "../../../cli/shell.ts";
import type { ProcessEnv } from "../../../cli/run.ts";

const shell = new CommandRunner({ streams: { out: { write() {} }, err: { write() {} } } } as unknown as ProcessEnv);
const topOf = (program: Command): readonly string[] =>
  program.commands.map((command) => `${command.name()}: ${command.description()}`);

describe("the table of commands", () => {
  it.each(
    COMMAND_GROUPS.flatMap(({ families }) =>
      families.map((family) => [Object.keys(family.commands).join(", "), family] as const),
    ),
  )("says of %s what its file says", async (_, { commands, hidden = [], load }) => {
    const program = new Command();
    (await load())(program, shell);
    const shown = program.commands.filter((command) => !hidden.includes(command.name()));
    expect(Object.fromEntries(shown.map((command) => [command.name(), command.description()]))).toEqual(commands);
  });

  it("is the whole top, in the order of all files", async () => {
    const all = topOf(await buildProgram(shell, "all"));
    expect(topOf(await buildProgram(shell, ["--help"]))).toEqual(
      all.filter((line) => !/^(?:complete|docs):/.test(line)),
    );
  });

  it("loads a command with its sub-commands when it is among the arguments, wherever it is", async () => {
    const program = await buildProgram(shell, ["-o", "json", "nodes", "ls"]);
    const countOf = (name: string) => program.commands.find((command) => command.name() === name)?.commands.length;
    expect([(countOf("nodes") ?? 0) > 5, countOf("models")]).toEqual([true, 0]);
  });
});
