import type { Command } from "commander";
import { withExamples } from "../../examples.ts";
import type { CommandRunner } from "../../shell.ts";
import type { EdgeStatusOptions } from "../../actions/edge/status.ts";

/** `skerry edge …`. */
export function registerEdge(program: Command, shell: CommandRunner): void {
  const edge = program.command("edge").description("ask a node itself, also while the control plane is away");
  withExamples(
    edge
      .command("status")
      .description("the streams of a node: what each has read, and what became of it")
      .option("--at <url>", "the node's own address", "http://127.0.0.1:7090")
      .option("--key-file <file>", "a file with one of the node's own keys, where it asks for one (or SKERRY_NODE_KEY)")
      .action((options: EdgeStatusOptions, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/edge/status.ts")).edgeStatus(run, options)),
      ),
    "skerry edge status",
    "skerry edge status --at http://10.0.0.7:7090 --key-file my.key -o wide",
  );
}
