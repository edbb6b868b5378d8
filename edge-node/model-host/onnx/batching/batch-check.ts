import { messageOf } from "../../../../shared/base/errors.ts";
import { isDatatype, type Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import { elementCount } from "../../../../shared/inference/tensors/shape.ts";
import { split, stack } from "./batch-rows.ts";
import { noBenefitReason, whyTooSlow } from "./batch-benefit.ts";
import { whySignatureForbids } from "./batchable.ts";
import { differingOutput } from "./equal-outputs.ts";
import type { LoadedModel } from "../model.ts";
import { runtimeWords } from "../runtime-words.ts";
import { sampleData } from "../sample-data.ts";

/** Rows of the two requests that are tried: one alone, and one that is a batch itself. */
const TRIED_ROWS = [1, 2] as const;
/** A single value may have the sign that hides a threshold. */
const WIDE_ROUNDS = 4;
/** Of a model this slow not even one run more is spent at its start. */
const SLOWEST_US = 500_000;
/**
 * Why the requests of this model may not share a run; undefined when they may. Its signature must allow it, and two
 * requests of different rows must come out together as they do alone: a softmax along the first dimension, statistics of
 * the batch or random numbers show only in a run. Never throws. `now` is in ms.
 */
export async function batchCheck(
  model: LoadedModel,
  warmUs: number,
  {
    now = () => performance.now(),
    given,
  }: { readonly now?: () => number; readonly given?: readonly (readonly Tensor[])[] | undefined } = {},
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
    const requests = given ?? samplesOf(model, { isWide: false, round: 0 });
    const [oneRow = []] = requests;
    const threeRows = stack(requests);
    return (
      (await whyTooSlow(time, oneRow)) ??
      (await whyUnequal(model, requests, threeRows)) ??
      (await whyUnequalWide(model)) ??
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
    const other = differingOutput(outputs, together[i] ?? []);
    if (other !== undefined) return `output "${other}" of a row depends on the other rows of its batch`;
  }
  return undefined;
}

/** The same with values from the whole range of each datatype, where the model takes them: an index may be out of its table. */
async function whyUnequalWide(model: LoadedModel): Promise<string | undefined> {
  for (let round = 0; round < WIDE_ROUNDS; round += 1) {
    const requests = samplesOf(model, { isWide: true, round });
    try {
      for (const inputs of requests) await runAll(model, inputs);
    } catch {
      return undefined;
    }
    const reason = await whyUnequal(model, requests, stack(requests));
    if (reason !== undefined) return reason;
  }
  return undefined;
}

interface Range {
  readonly isWide: boolean;
  readonly round: number;
}

const samplesOf = (model: LoadedModel, range: Range): readonly (readonly Tensor[])[] =>
  TRIED_ROWS.map((rows, i) => model.inputs.map((input) => sample(input, { rows, seed: i, ...range })));

/** Made-up rows, no two alike. */
function sample(
  { name, datatype, shape }: LoadedModel["inputs"][number],
  { rows, seed, isWide, round }: Range & { readonly rows: number; readonly seed: number },
): Tensor {
  if (!isDatatype(datatype)) throw new Error(`input "${name}" has the datatype ${datatype}`);
  const sizes = [rows, ...shape.slice(1).map((size) => (size === -1 ? 1 : size))];
  const length = elementCount(sizes, `input "${name}"`);
  return { name, datatype, shape: sizes, data: sampleData(datatype, length, { seed, isWide, round }) };
}
