import { Command } from "commander";
import { registerChat } from "./commands/chat.ts";
import { registerContexts } from "./commands/contexts.ts";
import { registerDeployments } from "./commands/deployments.ts";
import { registerDev } from "./commands/dev.ts";
import { registerEvents } from "./commands/events.ts";
import { registerInfer } from "./commands/infer.ts";
import { registerDoctor, registerJoin } from "./commands/join.ts";
import { registerKeys } from "./commands/keys.ts";
import { registerLoad } from "./commands/load.ts";
import { registerModels } from "./commands/models.ts";
import { registerNodes } from "./commands/nodes.ts";
import { registerPools } from "./commands/pools.ts";
import { registerRollouts } from "./commands/rollouts.ts";
import { registerSpecs } from "./commands/specs.ts";
import { registerTools } from "./commands/tools.ts";
import { addGlobalOptions } from "./globals.ts";
import type { CommandRunner } from "./shell.ts";

/**
 * The whole command line. Only names, options and descriptions are loaded here; what a command does is imported
 * when it is chosen, so that `--help` and a typing error are answered at once.
 */
export function buildProgram(shell: CommandRunner): Command {
  const program = new Command("skerry")
    .description("One control plane for AI models that run in cloud pods and on edge nodes.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => shell.streams.out.write(text),
      writeErr: (text) => shell.streams.err.write(text),
    })
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .showHelpAfterError("(add --help for what there is)")
    .allowExcessArguments(false);
  addGlobalOptions(program);
  program.commandsGroup("On this machine:");
  registerDev(program, shell);
  registerJoin(program, shell);
  registerDoctor(program, shell);
  program.commandsGroup("Models and where they serve:");
  registerModels(program, shell);
  registerSpecs(program, shell);
  registerDeployments(program, shell);
  registerRollouts(program, shell);
  registerInfer(program, shell);
  registerChat(program, shell);
  registerLoad(program, shell);
  program.commandsGroup("The fleet:");
  registerNodes(program, shell);
  registerPools(program, shell);
  registerEvents(program, shell);
  program.commandsGroup("Access:");
  registerContexts(program, shell);
  registerKeys(program, shell);
  program.commandsGroup("This tool:");
  registerTools(program, shell);
  program.helpCommand("help [command]", "what a command does and takes");
  return program;
}
