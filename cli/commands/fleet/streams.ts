import type { Command } from "commander";
import { withExamples } from "../../examples.ts";
import type { CommandRunner } from "../../shell.ts";

const actions = () => import("../../actions/streams/streams.ts");

/** `skerry streams …`. */
export function registerStreams(program: Command, shell: CommandRunner): void {
  const streams = program.command("streams").description("what nodes read, infer and emit, and what became of it");
  withExamples(
    streams
      .command("ls")
      .description("list streams, each with the sums over its nodes")
      .action((_options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).listStreams(run)),
      ),
    "skerry streams ls -o wide",
  );
  withExamples(
    streams
      .command("get")
      .description("one stream, with its counts on each node and why it waits there")
      .argument("<stream>", "DEPLOYMENT/STREAM")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).getStream(run, name)),
      ),
    "skerry streams get reader/scans",
  );
  withExamples(
    streams
      .command("rm")
      .description("take a stream out of its deployment; its nodes deliver what they have and forget it")
      .argument("<stream>", "DEPLOYMENT/STREAM")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).removeStream(run, name)),
      ),
    "skerry streams rm reader/scans",
  );
}
