import type { Command } from "commander";
import type { NodeAddress } from "../../actions/edge/node-address.ts";
import { withExamples } from "../../examples.ts";
import type { CommandContext } from "../../run.ts";
import type { CommandRunner } from "../../shell.ts";

type Action = (run: CommandContext, address: NodeAddress) => Promise<void>;

/** `skerry edge …`. */
export function registerEdge(program: Command, shell: CommandRunner): void {
  const edge = program.command("edge").description("ask a node itself, also while the control plane is away");
  const command = (name: string, description: string, load: () => Promise<Action>): Command =>
    edge
      .command(name)
      .description(description)
      .option("--at <url>", "the node's own address", "http://127.0.0.1:7090")
      .option("--key-file <file>", "a file with one of the node's own keys, where it asks for one (or SKERRY_NODE_KEY)")
      .action((address: NodeAddress, chosen: Command) =>
        shell.run(chosen, async (run) => (await load())(run, address)),
      );

  withExamples(
    command(
      "status",
      "how a node does, and its streams: what each has read, and what became of it",
      async () => (await import("../../actions/edge/status.ts")).edgeStatus,
    ),
    "skerry edge status",
    "skerry edge status --at http://10.0.0.7:7090 --key-file my.key -o wide",
  );
  withExamples(
    command(
      "models",
      "what a node holds: the state of each model, its requests, its memory, why it failed",
      async () => (await import("../../actions/edge/models.ts")).edgeModels,
    ),
    "skerry edge models",
    "skerry edge models --at http://10.0.0.7:7090 -o wide",
  );
  withExamples(
    command(
      "logs",
      "the last warnings and errors of a node, the newest at the end",
      async () => (await import("../../actions/edge/logs.ts")).edgeLogs,
    ),
    "skerry edge logs",
  );
  withExamples(
    command(
      "sync",
      "wait until a node is connected and every model that it is to serve is ready there",
      async () => (await import("../../actions/edge/sync.ts")).edgeSync,
    ),
    "skerry edge sync",
    "skerry edge sync --timeout 10m",
  );
}
