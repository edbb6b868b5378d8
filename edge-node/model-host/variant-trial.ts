import { readFileSync, writeSync } from "node:fs";
import { messageOf } from "../../shared/base/errors.ts";
import type { Tensor } from "../../shared/inference/tensors/datatypes.ts";
import { AgreementCount } from "../../shared/inference/samples/agreement.ts";
import { readNpz } from "../../shared/inference/samples/npz.ts";
import { sampleRows } from "../../shared/inference/samples/sample-rows.ts";
import type { InputDefault } from "../../shared/protocol/model-files/manifest.ts";
import { MAX_SAMPLES_BYTES, SAMPLES_FILE } from "../../shared/protocol/model-files/bundle.ts";
import { LINK_FD } from "./link/link-frame.ts";
import { defaultTensor } from "./onnx/input-defaults.ts";
import { openModel } from "./onnx/model.ts";
import { runtimeWords } from "./onnx/runtime-words.ts";
import { isOutOfMemory } from "./out-of-memory.ts";

/**
 * A process that asks a graph and its variants the samples of their bundle, row by row as callers do, and says how far each
 * variant is from the graph. `adapters/host-process/trial-process.ts` starts it when a version is published, with its only
 * argument, and kills it when it takes too long. Lines on the link: `{"graph": "…"}` before each graph, so that a death is known
 * to be its own, then `{"figures": […]}`, in the order of the variants, or `{"fault": "…", "outOfMemory": …}`.
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

/** Packed samples are far smaller than what they hold. */
const MAX_UNPACKED_BYTES = 16 * MAX_SAMPLES_BYTES;
/** Answers of the reference are kept until each variant has given its own: a mask of an image has 20 MiB. */
const MAX_KEPT_BYTES = 256 * 1_048_576;

type Answers = readonly Tensor[];
type Run = (inputs: readonly Tensor[]) => Promise<Answers>;

async function main({ reference, defaults, variants, samples, maxRows }: Task): Promise<object> {
  const arrays = readNpz(readFileSync(samples), SAMPLES_FILE, { maxBytes: MAX_UNPACKED_BYTES });
  begin("the reference");
  const model = await openModel(reference, defaults.map(defaultTensor)).catch((error: unknown) =>
    failed("the reference does not load", error),
  );
  const names = model.outputs.map(({ name }) => name);
  const optional = model.optional.map((each) => ({ ...each, parameters: { optional: true as const } }));
  const requests = sampleRows([...model.inputs, ...optional], model.outputs, arrays).slice(0, maxRows);
  const wanted: Answers[] = [];
  let keptBytes = 0;
  for (const [at, inputs] of requests.entries()) {
    const outputs = await answer("the reference", at, { inputs, run: (given) => model.run(given, names) });
    wanted.push(outputs);
    keptBytes += outputs.reduce((sum, { data }) => sum + bytesOf(data), 0);
    if (keptBytes > MAX_KEPT_BYTES) break;
  }
  if (wanted.every(saysNothing))
    throw new Error(`the reference answers all samples with NaN: put inputs into ${SAMPLES_FILE} as callers send them`);
  await model.release();
  const figures = [];
  for (const { name, file } of variants) {
    begin(`variant ${name}`);
    const variant = await openModel(file).catch((error: unknown) => failed(`variant ${name} does not load`, error));
    const count = new AgreementCount();
    for (const [at, outputs] of wanted.entries()) {
      const run: Run = (given) => variant.run(given, names);
      count.add(outputs, await answer(`variant ${name}`, at, { inputs: requests[at] ?? [], run }));
    }
    await variant.release();
    figures.push({ name, ...count.result });
  }
  return { figures };
}

const answer = (who: string, at: number, { inputs, run }: { readonly inputs: Answers; readonly run: Run }) =>
  run(inputs).catch((error: unknown) => failed(`${who} does not take sample ${at}`, error));

/** No number in it is one: any variant that breaks down likewise would agree. */
const saysNothing = (outputs: Answers): boolean =>
  outputs.every(
    ({ data }) =>
      !Array.isArray(data) && data.length > 0 && data.every((value: number | bigint) => Number.isNaN(value)),
  );

const bytesOf = (data: Tensor["data"]): number =>
  "byteLength" in data ? data.byteLength : data.reduce((sum, text) => sum + 2 * text.length, 0);

function failed(what: string, error: unknown): never {
  throw new Error(`${what}: ${runtimeWords(messageOf(error), 300)}`);
}

/** At once: while a graph runs nothing else does. */
const say = (line: object): void => void writeSync(LINK_FD, `${JSON.stringify(line)}\n`);
const begin = (graph: string): void => say({ graph });

say(
  await main(JSON.parse(process.argv[2] ?? "") as Task).catch((error: unknown) => ({
    fault: messageOf(error).slice(0, 500),
    outOfMemory: isOutOfMemory(messageOf(error)),
  })),
);
process.exit(0);
