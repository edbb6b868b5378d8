import { Argument, type Command } from "commander";
import type { DoctorSubject } from "../../actions/doctor.ts";
import { withExamples } from "../../examples.ts";
import type { ExitCode } from "../../exit-codes.ts";
import { usageFailure } from "../../failure.ts";
import { collected, wholeNumber } from "../../globals.ts";
import type { CommandContext } from "../../run.ts";
import type { CommandRunner } from "../../shell.ts";
import type { JoinOptions } from "../../join/node-options.ts";

/** `skerry join`. */
export function registerJoin(program: Command, shell: CommandRunner): void {
  withExamples(
    program
      .command("join")
      .description("make this machine a node and serve models until Ctrl-C, which drains it")
      .argument(
        "[token]",
        "a join token, or - to read it from standard input; not needed when the node has joined before",
      )
      .option("--token-file <file>", "a file with the join token, which keeps it out of the list of processes")
      .option("--name <name>", "name of the node (default: this machine's name)")
      .option("--dir <directory>", "where the node keeps its identity and models (default: ~/.local/state/skerry/NAME)")
      .option(
        "--local-port <port>",
        "port of the node's own /v2 (default: the first free one from 7090)",
        wholeNumber(1),
      )
      .option(
        "--local-host <address>",
        "address on which the node's own /v2 listens, for callers on its network (default: this machine only)",
      )
      .option("--local-keys <file>", "who may call it there: a file that `skerry keys local` writes")
      .option(
        "--again",
        "join with the token although this folder has an identity, which is set aside; its models stay",
      )
      .option("--signing-keys <file>", "run only versions that one of the public keys in this file has signed")
      .option("--streams <file>", "what streams may read on this device, and where they may send: docs/streams.md")
      .option("--kind <kind>", "edge or cloud", "edge")
      .option(
        "--engine <kind=url>",
        "an inference server beside the node whose models it offers: openai=URL or oip=URL, with ,key-file=FILE for its credentials; may be repeated",
        collected,
      )
      .option(
        "--install-service",
        "make the node a service of systemd that starts with the machine, in place of Ctrl-C; as root",
      )
      .option("--uninstall-service", "stop that service and remove it; the node's data stays")
      .action((token: string | undefined, options: JoinOptions, command: Command) =>
        shell.run(command, async (run) => start(run, token, options)),
      ),
    "skerry join --token-file dock-7.token --server http://127.0.0.1:7070 --name dock-7",
    "skerry join --name dock-7",
    "skerry join --name dock-7 --local-host 10.0.0.7 --local-keys callers.keys",
    "skerry join --name gpu-1 --kind cloud --engine openai=http://127.0.0.1:8000",
    "sudo skerry join --install-service --token-file dock-7.token --server https://skerry.example --name dock-7",
  );
}

/** `skerry doctor`. */
export function registerDoctor(program: Command, shell: CommandRunner): void {
  withExamples(
    program
      .command("doctor")
      .description(
        "look for faults and say what to do: of this tool, of its server, and of this machine as a node; exit code 1 when there are any",
      )
      .addArgument(new Argument("[what]", "only this").choices(["client", "server", "edge"]))
      .action((what: DoctorSubject | undefined, _options: object, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/doctor.ts")).runDoctor(run, what)),
      ),
    "skerry doctor",
    "skerry doctor server",
    "skerry doctor edge",
  );
}

async function start(run: CommandContext, token: string | undefined, options: JoinOptions): Promise<ExitCode> {
  const { installService, uninstallService } = options;
  if (installService === true && uninstallService === true)
    throw usageFailure("--install-service and --uninstall-service exclude one another", "give one of them");
  if (installService === true)
    return (await import("../../join/service/install-service.ts")).installService(run, token, options);
  if (uninstallService === true) return (await import("../../join/service/uninstall-service.ts")).uninstallService(run);
  return (await import("../../join/join.ts")).join(run, token, options);
}
