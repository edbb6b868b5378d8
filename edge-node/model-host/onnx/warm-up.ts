import { messageOf } from "../../../shared/base/errors.ts";
import { isDatatype, type Tensor, zeroData } from "../../../shared/inference/tensors/datatypes.ts";
import { elementCount } from "../../../shared/inference/tensors/shape.ts";
import type { LoadedModel } from "./model.ts";
import { isOutOfMemory } from "../out-of-memory.ts";

/** The first run allocates and may be far slower than the rest, so a quick model gets a few more. */
const MAX_RUNS = 5;
/** Of CPU time: on a busy machine a single run may take longer, and that one is the slow first. */
const ENOUGH_US = 50_000;

export interface WarmUp {
  /** Mean of the runs after the first, or of that one, in µs. */
  readonly warmUs: number;
  /** CPU time of the quickest run, in µs. */
  readonly runCpuUs: number;
  /** What the model said to the values; undefined when it took them. */
  readonly failure: string | undefined;
}

/**
 * Runs the model on the publisher's values, else on zeros, variable dimensions 1. Those are made up, so a model that refuses them (a text that is no
 * number, a category that it does not know) is none the worse for it: only one that ran out of memory throws.
 */
export async function warmUp(model: LoadedModel, given?: readonly Tensor[]): Promise<WarmUp> {
  const inputs = given ?? model.inputs.map(zeroTensor);
  const outputs = model.outputs.map(({ name }) => name);
  const took: number[] = [];
  let runCpuUs = Infinity;
  let failure: string | undefined;
  const start = cpuUs();
  while (failure === undefined && took.length < MAX_RUNS && (took.length === 0 || cpuUs() - start < ENOUGH_US)) {
    const before = performance.now();
    const cpuBefore = cpuUs();
    failure = await model.run(inputs, outputs).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    );
    took.push(performance.now() - before);
    runCpuUs = Math.min(runCpuUs, cpuUs() - cpuBefore);
  }
  if (failure !== undefined && isOutOfMemory(failure)) throw new Error(failure);
  const counted = took.length > 1 ? took.slice(1) : took;
  return { warmUs: Math.round((counted.reduce((sum, ms) => sum + ms, 0) / counted.length) * 1_000), runCpuUs, failure };
}

/** CPU time of this process so far, in µs. */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function zeroTensor({ name, datatype, shape }: LoadedModel["inputs"][number]): Tensor {
  const sizes = shape.map((size) => (size === -1 ? 1 : size));
  if (!isDatatype(datatype)) throw new Error(`input "${name}" has the datatype ${datatype}`);
  return { name, datatype, shape: sizes, data: zeroData(datatype, elementCount(sizes, `input "${name}"`)) };
}
