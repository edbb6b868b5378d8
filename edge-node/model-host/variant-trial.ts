import { readFileSync } from "node:fs";
import { messageOf } from "../../shared/base/errors.ts";
import type { Tensor } from "../../shared/inference/datatypes.ts";
import { AgreementCount } from "../../shared/inference/samples/agreement.ts";
import { readNpz } from "../../shared/inference/samples/npz.ts";
import { sampleRows } from "../../shared/inference/samples/sample-rows.ts";
import type { InputDefault } from "../../shared/protocol/manifest.ts";
import { MAX_SAMPLES_BYTES, SAMPLES_FILE } from "../../shared/protocol/bundle.ts";
import { defaultTensor } from "./onnx/input-defaults.ts";
import { openModel } from "./onnx/model.ts";
import { runtimeWords } from "./onnx/runtime-words.ts";

/**
 * A process that asks a graph and its variants the samples of their bundle, row by row as callers do, and says how far each
 * variant is from the graph. The control plane starts it when a version is published, with its only argument, and kills it when
 * it takes too long. One line on stdout: `{"figures": […]}`, in the order of the variants, or `{"fault": "…"}`.
 */
interface Task {
  /** Paths of files. */
  readonly reference: string;
  readonly defaults: readonly InputDefault[];
  readonly variants: readonly { readonly name: string; readonly file: string }[];
  readonly samples: string;
  /** The first samples of more. */
  readonly maxRows: number;
}

async function main({ reference, defaults, variants, samples, maxRows }: Task): Promise<unknown> {
  const values = defaults.map(defaultTensor);
  const model = await openModel(reference, values);
  const names = model.outputs.map(({ name }) => name);
  const arrays = readNpz(readFileSync(samples), SAMPLES_FILE, { maxBytes: MAX_UNPACKED_BYTES });
  const optional = model.optional.map((each) => ({ ...each, parameters: { optional: true as const } }));
  const requests = sampleRows([...model.inputs, ...optional], model.outputs, arrays).slice(0, maxRows);
  const wanted = await answers("the reference", requests, (inputs) => model.run(inputs, names));
  await model.release();
  const figures = [];
  for (const { name, file } of variants) {
    const variant = await openModel(file).catch((error: unknown) => failed(`variant ${name} does not load`, error));
    const count = new AgreementCount();
    const found = await answers(`variant ${name}`, requests, (inputs) => variant.run(inputs, names));
    for (const [at, outputs] of wanted.entries()) count.add(outputs, found[at] ?? []);
    await variant.release();
    figures.push({ name, ...count.result });
  }
  return { figures };
}

/** Packed samples are far smaller than what they hold. */
const MAX_UNPACKED_BYTES = 16 * MAX_SAMPLES_BYTES;

async function answers(
  who: string,
  requests: readonly (readonly Tensor[])[],
  run: (inputs: readonly Tensor[]) => Promise<readonly Tensor[]>,
): Promise<readonly (readonly Tensor[])[]> {
  const all: (readonly Tensor[])[] = [];
  for (const [at, inputs] of requests.entries())
    all.push(await run(inputs).catch((error: unknown) => failed(`${who} does not take sample ${at}`, error)));
  return all;
}

function failed(what: string, error: unknown): never {
  throw new Error(`${what}: ${runtimeWords(messageOf(error), 300)}`);
}

const result = await main(JSON.parse(process.argv[2] ?? "") as Task).catch((error: unknown) => ({
  fault: messageOf(error).slice(0, 500),
}));
process.stdout.write(`${JSON.stringify(result)}\n`);
