import type { Command } from "commander";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { readGlobals } from "./globals.ts";
import type { CommandContext, ProcessEnv } from "./run.ts";

export type Action = (run: CommandContext) => Promise<ExitCode | void>;

/** Runs the action of the chosen command and remembers the exit code that it ended with. */
export class CommandRunner {
  #exitCode: ExitCode = EXIT.ok;
  readonly #processEnv: ProcessEnv;

  constructor(processEnv: ProcessEnv) {
    this.#processEnv = processEnv;
  }

  get streams(): ProcessEnv["streams"] {
    return this.#processEnv.streams;
  }

  get exitCode(): ExitCode {
    return this.#exitCode;
  }

  /** Everything an action needs is loaded here, after the command line has been understood: `--help` waits for none of it. */
  async run(command: Command, action: Action): Promise<void> {
    const { CommandContext } = await import("./run.ts");
    const context = new CommandContext(readGlobals(command), this.#processEnv);
    try {
      this.#exitCode = (await action(context)) ?? EXIT.ok;
    } catch (error) {
      const { withSuggestion } = await import("./suggest/did-you-mean.ts");
      throw await withSuggestion(error, context);
    }
  }
}
