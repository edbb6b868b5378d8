import { isDatatype, type Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { elementCount } from "../../../shared/inference/tensors/shape.ts";
import type { LoadedModel } from "./model.ts";
import { sampleData } from "./sample-data.ts";

/** Of a model this slow no run more is spent at its start. */
const SLOWEST_US = 500_000;

/**
 * Why the model gives two answers to one input: random numbers, or a Dropout that was exported in training mode. Runs it
 * twice on `given` or on made-up values, variable dimensions 1, and compares bit by bit; undefined when both are the same, or the model does not take the
 * values. Never throws.
 */
export async function whyNotDeterministic(
  model: LoadedModel,
  warmUs: number,
  given?: readonly Tensor[],
): Promise<string | undefined> {
  if (warmUs > SLOWEST_US) return undefined;
  const names = model.outputs.map(({ name }) => name);
  try {
    const inputs = given ?? model.inputs.map(sampleTensor);
    const first = await model.run(inputs, names);
    const second = await model.run(inputs, names);
    const other = first.find((output, i) => !isSame(output, second[i]));
    return other && `two runs of the same input differ in output "${other.name}"`;
  } catch {
    return undefined;
  }
}

function sampleTensor({ name, datatype, shape }: LoadedModel["inputs"][number]): Tensor {
  if (!isDatatype(datatype)) throw new Error(`input "${name}" has the datatype ${datatype}`);
  const sizes = shape.map((size) => (size === -1 ? 1 : size));
  const length = elementCount(sizes, `input "${name}"`);
  return { name, datatype, shape: sizes, data: sampleData(datatype, length, { seed: 0, isWide: false, round: 0 }) };
}

function isSame(a: Tensor, b: Tensor | undefined): boolean {
  if (b === undefined || a.shape.join() !== b.shape.join()) return false;
  return a.data.every((value: unknown, i: number) => Object.is(value, b.data[i]));
}
