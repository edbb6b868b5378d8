import { type Command, Option } from "commander";
import { withExamples } from "../../examples.ts";
import { wholeNumber } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";
import type { KeyOptions, RotateOptions } from "../../actions/access/keys.ts";

const actions = () => import("../../actions/access/keys.ts");

/** `skerry keys …`, `skerry signing-keys …` and `skerry sessions …`. */
export function registerKeys(program: Command, shell: CommandRunner): void {
  const signing = program
    .command("signing-keys")
    .description("keys that sign versions of models, for nodes that run no others");
  withExamples(
    signing
      .command("generate")
      .description("make a key: FILE is for those who publish, FILE.pub for nodes")
      .argument("<file>", "where the private key goes; it must not be there")
      .action((file: string, _options: object, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/access/signing-keys.ts")).generateSigningKey(run, file),
        ),
      ),
    "skerry signing-keys generate release.key",
  );
  const keys = program.command("keys").description("API keys and their roles (needs an admin key)");
  withExamples(
    keys
      .command("ls")
      .description("list API keys, with the role of each and when it was used last")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).listKeys(run)),
      ),
    "skerry keys ls",
  );
  withExamples(
    keys
      .command("create")
      .description("make an API key; it is shown this once")
      .argument("<name>", "what the key is for")
      .addOption(
        new Option(
          "--role <role>",
          "what it may do: a viewer reads, an operator also changes what serves, an admin does everything, an application asks models and nothing else",
        )
          .choices(["viewer", "operator", "admin", "application"])
          .makeOptionMandatory(),
      )
      .option("--model <names...>", "models that an application key may call")
      .option("--model-label <labels...>", "and every model with all of these labels, NAME=VALUE")
      .option("--deployment <names...>", "and the models of these deployments")
      .option("--requests-per-minute <count>", "requests that it may send to each control plane", wholeNumber(1))
      .option("--concurrency <count>", "requests to models that it may have under way at once", wholeNumber(1))
      .option("--tokens-per-minute <count>", "tokens of texts that it may have, read and written", wholeNumber(1))
      .option("--ttl-days <days>", "how long it is good for", wholeNumber(1))
      .action((name: string, options: KeyOptions, command: Command) =>
        shell.run(command, async (run) => (await actions()).createKey(run, name, options)),
      ),
    "skerry keys create scanner --role application --model digits --ttl-days 90",
    "skerry keys create harbour --role application --model-label team=harbour",
  );
  withExamples(
    keys
      .command("rotate")
      .description("make a key that takes the place of another one, with the same rights; it is shown this once")
      .argument("<id>", "id of the old key, as `keys ls` shows it")
      .option("--overlap-hours <hours>", "how long the old key stays good", wholeNumber(0), 24)
      .option(
        "--ttl-days <days>",
        "how long the new key is good for, if not as long as the old one was",
        wholeNumber(1),
      )
      .action((id: string, options: RotateOptions, command: Command) =>
        shell.run(command, async (run) => (await actions()).rotateKey(run, id, options)),
      ),
    "skerry keys rotate 0f3a9c2b71de --overlap-hours 2",
  );
  withExamples(
    keys
      .command("local")
      .description("make a key for callers of a node's own address, and add its hash to the node's file of keys")
      .argument("<file>", "the node's file of keys (SKERRY_LOCAL_KEYS_FILE); made when it is not there")
      .option("--note <text>", "whose key it is, for people who read the file")
      .action((file: string, options: { note?: string }, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/access/local-key.ts")).createLocalKey(run, file, options),
        ),
      ),
    "skerry keys local callers.keys --note 'till at dock 7'",
  );
  withExamples(
    keys
      .command("recover")
      .description("make an admin key in the database of DATABASE_URL, when no admin key is left")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/access/recover-key.ts")).recoverKey(run)),
      ),
    "skerry keys recover",
  );
  withExamples(
    keys
      .command("rm")
      .description("revoke an API key")
      .argument("<id>", "id of the key, as `keys ls` shows it")
      .action((id: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).removeKey(run, id)),
      ),
    "skerry keys rm 0f3a9c2b71de",
  );
  registerSessions(program, shell);
}

function registerSessions(program: Command, shell: CommandRunner): void {
  const sessions = program.command("sessions").description("who is logged in (needs an admin key)");
  const load = () => import("../../actions/access/sessions.ts");
  withExamples(
    sessions
      .command("ls")
      .description("list sessions of people and browsers")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await load()).listSessions(run)),
      ),
    "skerry sessions ls",
  );
  withExamples(
    sessions
      .command("rm")
      .description("end a session")
      .argument("<id>", "id of the session, as `sessions ls` shows it")
      .action((id: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await load()).endSession(run, id)),
      ),
    "skerry sessions rm 5c1d20aa93fe --reason 'has left'",
  );
}
