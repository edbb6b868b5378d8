import { readFileSync } from "node:fs";
import { messageOf } from "../../../shared/base/errors.ts";
import { isDatatype, type Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { elementCount, type TensorSignature } from "../../../shared/inference/tensors/shape.ts";
import type { Growth, GrowthLimits } from "../link/link-frame.ts";
import { isOutOfMemory } from "../out-of-memory.ts";
import type { LoadedModel } from "./model.ts";
import { sampleData } from "./sample-data.ts";

/** Sizes of the variable dimensions beside the rows: tokens of a text, edges of a picture. */
const LARGEST_OTHER = 128;
/** A run of twice the rows takes at most twice as much; of twice the tokens, where each looks at each, four times as much. */
const ROWS_FACTOR = 2;
const OTHER_FACTOR = 4;

interface Step {
  readonly rows: number;
  readonly other: number;
  /** By how much more than the step before it may take. */
  readonly factor: number;
}

/**
 * Runs the model on made-up values, twice as many rows from one run to the next, then twice as large in its other variable
 * dimensions, as far as memory and time last. A size that the model does not take is passed over. Throws when a run fails for lack of memory: the process is of no use then.
 */
export async function measureGrowth(
  model: LoadedModel,
  limits: GrowthLimits,
  probe: { readonly now: () => number; readonly privateMiB: () => number } = {
    now: () => performance.now(),
    privateMiB,
  },
): Promise<Growth> {
  const outputs = model.outputs.map(({ name }) => name);
  const startMiB = probe.privateMiB();
  const startMs = probe.now();
  let heldMiB = startMiB;
  let lastMs = 0;
  for (const { rows, other, factor } of stepsFor(model.inputs, limits.maxRows)) {
    const isTooSlow = probe.now() - startMs + factor * lastMs > limits.budgetMs;
    const isTooLarge = heldMiB + factor * (heldMiB - startMiB) > limits.maxMiB;
    if (isTooSlow || isTooLarge) break;
    const inputs = model.inputs.map((input) => sampleOf(input, rows, other));
    const before = probe.now();
    try {
      await model.run(inputs, outputs);
      lastMs = probe.now() - before;
    } catch (error) {
      if (isOutOfMemory(messageOf(error))) throw error;
    }
    heldMiB = Math.max(heldMiB, probe.privateMiB());
  }
  return { neededMiB: heldMiB, addedMiB: heldMiB - startMiB };
}

/** Sizes from small to large; none where nothing is variable. */
function stepsFor(inputs: readonly TensorSignature[], maxRows: number): readonly Step[] {
  const hasRows = inputs.some(({ shape }) => shape[0] === -1);
  const hasOthers = inputs.some(({ shape }) => shape.slice(1).includes(-1));
  const steps: Step[] = [];
  let rows = 1;
  for (; hasRows && rows <= maxRows; rows *= 2) steps.push({ rows, other: 1, factor: ROWS_FACTOR });
  const most = hasRows ? rows / 2 : 1;
  for (let other = 2; hasOthers && other <= LARGEST_OTHER; other *= 2)
    steps.push({ rows: most, other, factor: OTHER_FACTOR });
  return steps;
}

function sampleOf({ name, datatype, shape }: TensorSignature, rows: number, other: number): Tensor {
  if (!isDatatype(datatype)) throw new Error(`input "${name}" has the datatype ${datatype}`);
  const sizes = shape.map((size, i) => (size !== -1 ? size : i === 0 ? rows : other));
  const length = elementCount(sizes, `input "${name}"`);
  return { name, datatype, shape: sizes, data: sampleData(datatype, length, { seed: 0, isWide: false, round: 0 }) };
}

/** Memory that belongs to this process alone, in MiB, as the agent counts it. */
export function privateMiB(): number {
  try {
    const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    if (kib !== undefined) return Number(kib) / 1_024;
  } catch {
    // Elsewhere than on Linux there is no such file.
  }
  return process.memoryUsage.rss() / 1_048_576;
}
