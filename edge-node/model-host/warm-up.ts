import { messageOf } from "../../shared/base/errors.ts";
import { isDatatype, type Tensor, zeroData } from "../../shared/inference/datatypes.ts";
import { elementCount } from "../../shared/inference/shape.ts";
import type { LoadedModel } from "./model.ts";
import { isOutOfMemory } from "./out-of-memory.ts";

/** The first run allocates and may be far slower than the rest, so a quick model gets a few more. */
const MAX_RUNS = 5;
const ENOUGH_MS = 50;

/**
 * Runs the model on zeros, variable dimensions 1. Resolves to the mean of the runs after the first (or of that one), in
 * µs. Throws what a run throws, unless a size had to be guessed: a model that reshapes to [2, 2] takes no single row,
 * and is none the worse for it.
 */
export async function warmUp(model: LoadedModel): Promise<number> {
  const inputs = model.inputs.map(zeroTensor);
  const isGuess = model.inputs.some(({ shape }) => shape.includes(-1));
  const outputs = model.outputs.map(({ name }) => name);
  const took: number[] = [];
  const start = performance.now();
  while (took.length < MAX_RUNS && (took.length === 0 || performance.now() - start < ENOUGH_MS)) {
    const before = performance.now();
    const failure = await model.run(inputs, outputs).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    );
    took.push(performance.now() - before);
    if (failure === undefined) continue;
    if (!isGuess || isOutOfMemory(failure)) throw new Error(failure);
    break;
  }
  const counted = took.length > 1 ? took.slice(1) : took;
  return Math.round((counted.reduce((sum, ms) => sum + ms, 0) / counted.length) * 1_000);
}

function zeroTensor({ name, datatype, shape }: LoadedModel["inputs"][number]): Tensor {
  const sizes = shape.map((size) => (size === -1 ? 1 : size));
  if (!isDatatype(datatype)) throw new Error(`input "${name}" has the datatype ${datatype}`);
  return { name, datatype, shape: sizes, data: zeroData(datatype, elementCount(sizes, `input "${name}"`)) };
}
