import type { Command } from "commander";
import { withExamples } from "../../examples.ts";
import { collectPair, watchOption, wholeNumber } from "../../globals.ts";
import type { CommandRunner } from "../../shell.ts";
import type { PushOptions } from "../../actions/models/model-push.ts";

const removals = () => import("../../actions/models/removals.ts");
const actions = () => import("../../actions/models/models.ts");
const transfers = () => import("../../actions/models/model-push.ts");

/** `skerry models …`. */
export function registerModels(program: Command, shell: CommandRunner): void {
  const models = program.command("models").description("models, their versions and aliases");
  withExamples(
    models
      .command("push")
      .description(
        "upload an ONNX or GGUF file, a folder, or the name of an engine's model as a new version; continues where a broken connection or a killed push stopped",
      )
      .argument(
        "<path>",
        "an ONNX file (its external data goes along), a GGUF file, a .json file that names the model of an engine, or a folder: a decoder with its tokenizer, an encoder of sentence-transformers, an MLflow model, a Triton model, an Optimum export, any with an ONNX file",
      )
      .option(
        "--model <name>",
        "the model it is a version of, made if missing; needed unless a Triton model names itself",
      )
      .option("--main <path>", "the graph in a folder that holds several, e.g. onnx/model_quantized.onnx")
      .option("--label <name=value>", "a label of the version; may be repeated", collectPair)
      .option("--metric <name=number>", "what you claim of it, e.g. accuracy=0.98; may be repeated", collectPair)
      .option("--alias <alias>", "move this alias to the version when it is ready, and right if there are samples")
      .option(
        "--check <samples>",
        "an .npz file with inputs and the outputs that they gave in training, under the model's names: serve the version and compare",
      )
      .option("--sign <file>", "sign the version with the private key in this file when it is ready")
      .option(
        "--floor <version>",
        "with --sign: versions below this one are withdrawn on every node that has taken this one (default: none)",
        wholeNumber(0),
      )
      .action((file: string, options: PushOptions, command: Command) =>
        shell.run(command, async (run) => (await transfers()).pushModel(run, file, options)),
      ),
    "skerry models push digits.onnx --model digits --metric accuracy=0.97 --alias champion --wait",
    "skerry models push digits.onnx --model digits --sign release.key --floor 3",
  );
  withExamples(
    models
      .command("ls")
      .description("list models with their aliases")
      .option("-l, --selector <labels>", "only models with these labels")
      .option("--limit <count>", "one page of this size instead of everything", wholeNumber(1))
      .action((options: { selector?: string; limit?: number }, command: Command) =>
        shell.run(command, async (run) => (await actions()).listModels(run, options)),
      ),
    "skerry models ls",
  );
  withExamples(
    models
      .command("get")
      .description("the versions of one model")
      .argument("<model>", "name of the model")
      .action((name: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).getModel(run, name)),
      ),
    "skerry models get digits",
  );
  withExamples(
    models
      .command("inspect")
      .description("one version: its signature, size, digest and what its author claims")
      .argument("<model[:version]>", "a number or an alias after the colon; the newest version without")
      .action((reference: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await actions()).inspectVersion(run, reference)),
      ),
    "skerry models inspect digits:champion",
  );
  withExamples(
    models
      .command("alias")
      .description("let an alias name a version (at most eight to a version); refused if somebody moved it meanwhile")
      .argument("<model>", "name of the model")
      .argument("<alias>", "e.g. champion")
      .argument("<version>", "number of the version", wholeNumber(1))
      .action((model: string, alias: string, version: number, _options: object, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/models/model-alias.ts")).moveModelAlias(run, { model, alias, version }),
        ),
      ),
    "skerry models alias digits champion 2",
  );
  withExamples(
    models
      .command("unalias")
      .description("delete an alias; refused while a deployment asks for it")
      .argument("<model>", "name of the model")
      .argument("<alias>", "e.g. champion")
      .action((model: string, alias: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await removals()).removeAlias(run, model, alias)),
      ),
    "skerry models unalias digits champion",
  );
  withExamples(
    models
      .command("rm")
      .description("delete a version, or a model with all its versions; refused while something needs it")
      .argument("<model[:version]>", "name of the model, or a number after a colon for one version")
      .action((reference: string, _options: object, command: Command) =>
        shell.run(command, async (run) => (await removals()).removeModel(run, reference)),
      ),
    "skerry models rm digits:1",
    "skerry models rm digits",
  );
  withExamples(
    models
      .command("label")
      .description("set labels of a model with NAME=VALUE, remove them with NAME-")
      .argument("<model>", "name of the model")
      .argument("<labels...>", "e.g. team=vision owner-")
      .action((model: string, labels: string[], _options: object, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/labels.ts")).changeLabels(run, { kind: "models", name: model }, labels),
        ),
      ),
    "skerry models label digits team=vision owner-",
  );
  withExamples(
    models
      .command("where")
      .description("the nodes that hold a version, and how far each is")
      .argument("<model[:version]>", "a number or an alias after the colon; the newest version without")
      .addOption(watchOption())
      .action((reference: string, options: { watch?: boolean }, command: Command) =>
        shell.run(command, async (run) => (await actions()).whereVersion(run, reference, options)),
      ),
    "skerry models where digits:1",
    "skerry models where digits:champion -w",
  );
  withExamples(
    models
      .command("diff")
      .description("what a caller of one version meets in another")
      .argument("<model>", "name of the model")
      .argument("<from>", "number or alias of one version")
      .argument("<to>", "number or alias of the other")
      .action((model: string, from: string, to: string, _options: object, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/models/model-diff.ts")).diffVersions(run, { model, from, to }),
        ),
      ),
    "skerry models diff digits champion 2",
  );
  withExamples(
    models
      .command("pull")
      .description("download a version's file, or its files into a folder, and check each digest")
      .argument("<model[:version]>", "a number or an alias after the colon; the newest version without")
      .option(
        "--to <file>",
        "where to put it; `-` for stdout (default: MODEL-VERSION.onnx, or the folder MODEL-VERSION)",
      )
      .action((reference: string, options: { to?: string }, command: Command) =>
        shell.run(command, async (run) =>
          (await import("../../actions/models/model-pull.ts")).pullModel(run, reference, options),
        ),
      ),
    "skerry models pull digits:champion --to digits.onnx",
  );
}
