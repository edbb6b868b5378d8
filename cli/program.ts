import { Command, Help } from "commander";
import { COMMAND_GROUPS, type CommandFamily } from "./command-table.ts";
import { addGlobalOptions } from "./globals.ts";
import type { CommandRunner } from "./shell.ts";

/** Commands that speak of all commands. */
const NEED_ALL: ReadonlySet<string> = new Set(["completion", "docs"]);

/**
 * The command line as far as `words` need it: commands that are among them whole, all others by name and description, for
 * `--help` and for a name that was meant. What a command does is imported when it is chosen. `all`: every command whole.
 */
export async function buildProgram(shell: CommandRunner, words: readonly string[] | "all"): Promise<Command> {
  const program = new Command("skerry")
    .description("One control plane for AI models that run in cloud pods and on edge nodes.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => shell.streams.out.write(text),
      writeErr: (text) => shell.streams.err.write(text),
    })
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false, subcommandTerm: termOf })
    .showHelpAfterError("(add --help for what there is)")
    .allowExcessArguments(false);
  addGlobalOptions(program);
  const isNeeded = needOf(words);
  for (const { title, families } of COMMAND_GROUPS) {
    program.commandsGroup(title);
    for (const family of families) {
      if (isNeeded(family)) (await family.load())(program, shell);
      else for (const [name, what] of Object.entries(family.commands)) program.command(name).description(what);
    }
  }
  program.helpCommand("help [command]", "what a command does and takes");
  return program;
}

function needOf(words: readonly string[] | "all"): (family: CommandFamily) => boolean {
  if (words === "all" || words.some((word) => NEED_ALL.has(word))) return () => true;
  return ({ commands, hidden = [] }) => words.some((word) => Object.hasOwn(commands, word) || hidden.includes(word));
}

/** At the top the name alone: there most commands are known by no more. */
function termOf(command: Command): string {
  return command.parent?.parent === null ? command.name() : new Help().subcommandTerm(command);
}
