import { messageOf } from "../../shared/base/errors.ts";
import {
  DATATYPES,
  type Datatype,
  isDatatype,
  type Tensor,
  type TensorData,
  zeroNumbers,
} from "../../shared/inference/datatypes.ts";
import { elementCount } from "../../shared/inference/shape.ts";
import { split, stack } from "./batch.ts";
import { noBenefitReason, whyTooSlow } from "./batch-benefit.ts";
import { whySignatureForbids } from "./batchable.ts";
import type { LoadedModel } from "./model.ts";
import { runtimeWords } from "./runtime-words.ts";

/** Rows of the two requests that are tried: one alone, and one that is a batch itself. */
const TRIED_ROWS = [1, 2] as const;
/** Of a model this slow not even one run more is spent at its start. */
const SLOWEST_US = 500_000;
/**
 * Largest difference that is called equal, as a part of the largest value of the row. Kernels for one row and for many
 * may add in another order. Measured on x64: no bit differs for 28×28 convolutions and for products up to 1,024 wide, but
 * other processors have other kernels, and roundings of 6e-8 in a sum of 1,024 stay below 6e-5. A model that mixes rows is off
 * by far more: 1.6e-2 for dynamic quantisation, whose scale is that of the whole batch.
 */
const TOLERANCE: Readonly<Partial<Record<Datatype, number>>> = { FP16: 5e-3, FP32: 1e-4, FP64: 1e-9 };

/**
 * Why the requests of this model may not share a run; undefined when they may. Its signature must allow it, and two
 * requests of different rows must come out together as they do alone: a softmax along the first dimension, statistics of
 * the batch or random numbers show only in a run. Never throws. `now` is in ms.
 */
export async function batchCheck(
  model: LoadedModel,
  warmUs: number,
  now: () => number = () => performance.now(),
): Promise<string | undefined> {
  const forbidden = whySignatureForbids(model);
  if (forbidden !== undefined) return forbidden;
  if (warmUs > SLOWEST_US) return `a run takes ${Math.round(warmUs / 1_000)} ms, too long for others to wait for it`;
  const time = async (inputs: readonly Tensor[]): Promise<number> => {
    const before = now();
    await runAll(model, inputs);
    return now() - before;
  };
  try {
    const requests = TRIED_ROWS.map((rows, i) => model.inputs.map((input) => sample(input, rows, i)));
    const [oneRow = []] = requests;
    const threeRows = stack(requests);
    return (
      (await whyTooSlow(time, oneRow)) ??
      (await whyUnequal(model, requests, threeRows)) ??
      (await noBenefitReason(time, { oneRow, threeRows }))
    );
  } catch (error) {
    return `a trial failed: ${runtimeWords(messageOf(error), 200)}`;
  }
}

const runAll = (model: LoadedModel, inputs: readonly Tensor[]): Promise<readonly Tensor[]> =>
  model.run(
    inputs,
    model.outputs.map(({ name }) => name),
  );

async function whyUnequal(
  model: LoadedModel,
  requests: readonly (readonly Tensor[])[],
  stacked: readonly Tensor[],
): Promise<string | undefined> {
  const alone = [];
  for (const inputs of requests) alone.push(await runAll(model, inputs));
  const together = split(await runAll(model, stacked), TRIED_ROWS);
  if (together === undefined) return "an output has another number of rows than the inputs";
  for (const [i, outputs] of alone.entries()) {
    const other = outputs.find((output, j) => !isEqual(output, together[i]?.[j]));
    if (other !== undefined) return `output "${other.name}" of a row depends on the other rows of its batch`;
  }
  return undefined;
}

function isEqual(a: Tensor, b: Tensor | undefined): boolean {
  if (b === undefined || a.shape.join() !== b.shape.join()) return false;
  const tolerance = TOLERANCE[a.datatype];
  if (tolerance === undefined) return a.data.every((value: unknown, i: number) => value === b.data[i]);
  let largest = 0;
  for (const value of a.data) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(Number(value)));
  return a.data.every((value: unknown, i: number) => {
    const other = b.data[i];
    return Object.is(value, other) || Math.abs(Number(value) - Number(other)) <= tolerance * largest;
  });
}

/**
 * Made-up rows, no two alike, the same on every start. Whole numbers are 0 or 1, as they may be indices; the second
 * request's numbers are three times as large, so that a scale taken over the batch is not the first one's.
 */
function sample({ name, datatype, shape }: LoadedModel["inputs"][number], rows: number, seed: number): Tensor {
  if (!isDatatype(datatype)) throw new Error(`input "${name}" has the datatype ${datatype}`);
  const sizes = [rows, ...shape.slice(1).map((size) => (size === -1 ? 1 : size))];
  return { name, datatype, shape: sizes, data: sampleData(datatype, elementCount(sizes, `input "${name}"`), seed) };
}

function sampleData(datatype: Datatype, length: number, seed: number): TensorData {
  const noise = noiseFrom(seed + 1);
  if (datatype === "BYTES") return Array.from({ length }, () => (noise() < 0 ? "a" : "b"));
  const out = zeroNumbers(datatype, length);
  const { kind } = DATATYPES[datatype];
  const isFloat = kind === "float" || kind === "half";
  for (let i = 0; i < length; i += 1) {
    const value = noise();
    if (out instanceof BigInt64Array || out instanceof BigUint64Array) out[i] = value < 0 ? 0n : 1n;
    else out[i] = isFloat ? value * (1 + 2 * seed) : value < 0 ? 0 : 1;
  }
  return out;
}

/** Numbers in [−1, 1): a linear congruential generator with the constants of Numerical Recipes. */
function noiseFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
