import { readFileSync } from "node:fs";
import type { Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import { compareOutput } from "../../../shared/inference/samples/compare-outputs.ts";
import type { NpyArray } from "../../../shared/inference/samples/npy.ts";
import { readNpz } from "../../../shared/inference/samples/npz.ts";
import { rowsBetween, sampleInputs } from "../../../shared/inference/samples/sample-inputs.ts";
import type { LoadedModel } from "./model.ts";

/** Rows of the samples that a start tries: more would only take longer. */
const MAX_ROWS = 8;

/** Inputs that the publisher gave, and the outputs that the trainer saw of them. */
export interface Samples {
  readonly inputs: readonly Tensor[];
  /** The first row of them, where they have rows. */
  readonly first: readonly Tensor[];
  /** One request of a row and one of two, where there are so many. */
  readonly requests: readonly (readonly Tensor[])[] | undefined;
  readonly expected: ReadonlyMap<string, NpyArray>;
}

/** The first rows of the samples in a file, as the model takes them. Throws a `SamplesFault` when they do not fit it. */
export function readModelSamples(file: string, { inputs, optional, outputs }: LoadedModel): Samples {
  const arrays = readNpz(readFileSync(file), "the version's samples.npz");
  const specs = [...inputs, ...optional.map((each) => ({ ...each, parameters: { optional: true as const } }))];
  const tensors = sampleInputs(specs, outputs, arrays);
  const expected = new Map([...arrays].filter(([name]) => outputs.some((output) => output.name === name)));
  const [rows, ...others] = new Set(tensors.map(({ shape }) => shape[0]));
  if (rows === undefined || others.length > 0)
    return { inputs: tensors, first: tensors, requests: undefined, expected };
  const fixed = inputs.map(({ shape }) => shape[0] ?? -1).find((size) => size > 0);
  const count = Math.min(rows, fixed ?? MAX_ROWS);
  const isByRow = ({ shape }: NpyArray): boolean => shape[0] === rows;
  const between = (from: number, to: number): readonly Tensor[] =>
    tensors.map((tensor) => rowsBetween(tensor, from, to));
  return {
    inputs: between(0, count),
    first: between(0, fixed ?? 1),
    requests: fixed === undefined && count >= 3 ? [between(0, 1), between(1, 3)] : undefined,
    expected: new Map(
      [...expected]
        .filter(([, array]) => isByRow(array))
        .map(([name, array]) => [name, rowsBetween({ name, ...array }, 0, count)]),
    ),
  };
}

/** What differs between the outputs of a run and what the trainer saw, in sentences; undefined when nothing does. */
export function whySamplesDiffer(outputs: readonly Tensor[], { expected }: Samples): string | undefined {
  const found = outputs.flatMap((output) => {
    const array = expected.get(output.name);
    return array ? [compareOutput(output, array)] : [];
  });
  const differing = found.filter(({ isEqual }) => !isEqual).map(({ sentence }) => sentence);
  return differing.length === 0 ? undefined : differing.join("; ");
}
