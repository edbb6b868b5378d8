import type { Command } from "commander";
import { withExamples } from "../../examples.ts";
import { wholeNumber } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";
import type { DevOptions } from "../../dev/settings.ts";

/** `skerry dev`, which is `npm start`. */
export function registerDev(program: Command, shell: CommandRunner): void {
  withExamples(
    program
      .command("dev")
      .description(
        "run a whole Skerry on this machine: PostgreSQL, control plane, two edge nodes, one cloud node, a real model",
      )
      .option("--once", "tear everything down after the demonstration; exit 0 only if the answers were right")
      .option("--fresh", "wipe the data of earlier starts first")
      .option(
        "--port <port>",
        "port of the control plane; 0 for any free one (SKERRY_PORT; default 7070)",
        wholeNumber(0),
      )
      .option("--node-ports <ports>", "ports of edge-a, edge-b and cloud-a (SKERRY_NODE_PORTS; default 7081,7082,7083)")
      .option("--dir <directory>", "where the data is kept (default: .skerry)")
      .action((options: DevOptions, command: Command) =>
        shell.run(command, async (run) => (await import("../../dev/dev.ts")).dev(run, options)),
      ),
    "skerry dev",
    "skerry dev --once --fresh",
    "skerry dev --port 8080 --node-ports 8081,8082,8083",
  );
}
