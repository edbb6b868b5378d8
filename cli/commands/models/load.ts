import { Argument, type Command, Option } from "commander";
import type { BenchOptions } from "../../actions/bench.ts";
import type { TopOptions, TopSubject } from "../../actions/top.ts";
import { withExamples } from "../../examples.ts";
import { wholeNumber } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";

/** `skerry top`, `skerry bench`. */
export function registerLoad(program: Command, shell: CommandRunner): void {
  withExamples(
    program
      .command("top")
      .description("rate, errors and latency of deployments and nodes in the last minute; on a terminal until Ctrl-C")
      .addArgument(new Argument("[what]", "only these").choices(["nodes", "deployments"]))
      .option("--once", "print once, also on a terminal")
      .option("--limit <count>", "rows of each table", wholeNumber(1), 20)
      .action((what: TopSubject | undefined, options: TopOptions, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/top.ts")).showTop(run, what, options)),
      ),
    "skerry top",
    "skerry top nodes --once -o wide",
  );
  withExamples(
    program
      .command("bench")
      .description(
        "send load to a deployment: percentiles, goodput, and where it was served; exit code 2 when one failed",
      )
      .argument("<deployment>", "name of the deployment")
      .addOption(
        new Option(
          "--callers <count>",
          "callers that each wait for their answer before they ask again (default: 4)",
        ).argParser(wholeNumber(1, 1_024)),
      )
      .option("--rate <count>", "requests a second, whether or not earlier ones are answered", wholeNumber(1, 10_000))
      .option("--duration <time>", "how long, at most 10m", "10s")
      .option("--requests <count>", "end after so many", wholeNumber(1, 1_000_000))
      .option("--file <file>", "the request, as JSON; `-` for stdin (default: made-up inputs of the right shape)")
      .option("--data <json>", "the request itself")
      .option("--prompt <text>", "what a model of text is asked")
      .option("--max-tokens <count>", "longest answer of a model of text", wholeNumber(1), 32)
      .option("--within <time>", "answers later than this are no goodput (default: the deployment's slo.p95Ms)")
      .option("--node <node>", "only this node")
      .option("--site <site>", "as a caller of this site")
      .action((name: string, options: BenchOptions, command: Command) =>
        shell.run(command, async (run) => (await import("../../actions/bench.ts")).bench(run, name, options)),
      ),
    "skerry bench digits",
    "skerry bench digits --rate 200 --duration 30s --within 50ms",
    "skerry bench digits --callers 16 --node edge-a -o json",
  );
}
