import type { Command } from "commander";
import { withExamples } from "../../examples.ts";
import type { LoginOptions } from "../../actions/access/login.ts";
import type { CommandRunner } from "../../shell.ts";

const actions = () => import("../../actions/access/contexts.ts");

/** `skerry login`, `skerry logout`, `skerry context`, `skerry whoami`. */
export function registerContexts(program: Command, shell: CommandRunner): void {
  withExamples(
    program
      .command("login")
      .description("remember a server and who you are there, by its identity provider or by an API key")
      .option("--key-file <file>", "read the key from this file; without it the key is asked for, or read from stdin")
      .option("--device", "log in at the server's identity provider, in a browser on any machine")
      .option("--name <name>", "name of the context (default: the server's host)")
      .option("--pin <pin>", "verify the server by the pin of its authority, and by that authority from then on")
      .action((options: LoginOptions, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/access/login.ts")).login(run, options)),
      ),
    "skerry login --server https://skerry.example",
    "skerry login --server https://skerry.example --ca ca.pem",
    "skerry login --server http://127.0.0.1:7070 --key-file .skerry/admin.key --name here",
  );
  withExamples(
    program
      .command("logout")
      .description("end the session at the server, and forget its key or token")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/access/logout.ts")).logout(run)),
      ),
    "skerry logout",
  );
  const context = program.command("context").description("which servers are known and which one is meant");
  withExamples(
    context
      .command("ls", { isDefault: true })
      .description("list contexts and say whom a command would speak to")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).listContexts(run)),
      ),
    "skerry context",
  );
  withExamples(
    context
      .command("use")
      .description("make a context the one that is meant by default")
      .argument("<name>", "name of the context")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).useContext(run, name)),
      ),
    "skerry context use production",
  );
  withExamples(
    context
      .command("rm")
      .description("forget a context and its key")
      .argument("<name>", "name of the context")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).removeContext(run, name)),
      ),
    "skerry context rm production",
  );
  withExamples(
    program
      .command("whoami")
      .description("whose key this is and what it may do")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/access/login.ts")).showWhoami(run)),
      ),
    "skerry whoami",
  );
}
