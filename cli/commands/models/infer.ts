import type { Command } from "commander";
import { withExamples } from "../../examples.ts";
import type { CommandRunner } from "../../shell.ts";
import type { InferOptions } from "../../actions/models/infer.ts";

const append = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** `skerry infer`. */
export function registerInfer(program: Command, shell: CommandRunner): void {
  withExamples(
    program
      .command("infer")
      .description("ask a model and tell which node answered, why that one, and how long it took")
      .argument("<model[:version]>", "a number or an alias after the colon; the deployment decides without")
      .option("-f, --file <file>", "an Open Inference Protocol request in JSON; `-` for stdin")
      .option("--data <json>", "the same, on the command line")
      .option(
        "--input <name=value>",
        "one input: name=file.json (an array) or name=@file (raw little-endian bytes; of BYTES a whole file, such as a picture); may be repeated",
        append,
      )
      .option(
        "--stages <stages>",
        "with --input, of a pipeline: infer, pre+infer, infer+decide or pre+infer+decide (default: all)",
      )
      .option("--site <site>", "the site the request comes from")
      .option("--prefer <how>", "fast, cheap, edge or cloud")
      .option("--node <node>", "this node and no other, for diagnosis")
      .option("--edge-only", "the input may reach edge nodes only")
      .option(
        "--explain [method]",
        "explain the answer: what was decided, from which inputs, where it ran and why there; the version's default method, or occlusion, integrated-gradients, shapley",
      )
      .option("--png <file>", "with --explain: the input as a picture, with the influence of its parts over it")
      .action((reference: string, options: InferOptions, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/models/infer.ts")).infer(run, reference, options),
        ),
      ),
    "skerry infer digits -f request.json",
    "skerry infer digits --input image=@digit.f32 --site harbour",
    "skerry infer read-digit --input photo=@digit.jpg",
    "skerry infer digits:champion --input image=digit.json -o json",
    "skerry infer digits --input image=digit.json --explain --png seven.png",
  );
}
