import type { Command } from "commander";
import { withExamples } from "../../examples.ts";
import { wholeNumber } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";
import type { ChatOptions } from "../../actions/models/chat.ts";

/** `skerry chat`. */
export function registerChat(program: Command, shell: CommandRunner): void {
  withExamples(
    program
      .command("chat")
      .description("talk to a text model; without a message line by line, with what was said before, until Ctrl-D")
      .argument("<model[:version]>", "a number or an alias after the colon; the deployment decides without")
      .argument("[message]", "one message: the answer is printed, and that is all")
      .option("--system <text>", "instructions for the model, before the conversation")
      .option("--max-tokens <count>", "most tokens of an answer (default: what the context leaves)", wholeNumber(1))
      .option("--temperature <number>", "0: the most likely word each time; up to 2 (default: 1)")
      .option("--seed <number>", "the same seed gives the same answer", wholeNumber(0))
      .option("--route", "say after each answer, on standard error, which node wrote it and why that one")
      .action((model: string, message: string | undefined, options: ChatOptions, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/models/chat.ts")).chat(run, { model, message }, options),
        ),
      ),
    "skerry chat writer",
    "skerry chat writer 'What is the capital of France?' --temperature 0",
  );
}
