import type { Tensor } from "../tensors/datatypes.ts";
import type { NpyArray } from "./npy.ts";
import { samplesFault } from "./samples-fault.ts";
import { rowsBetween, sampleInputs } from "./sample-inputs.ts";

type Spec = Parameters<typeof sampleInputs>[1][number];

/**
 * The samples as requests of one row each, as callers send them; of as many as the model takes where that is fixed, and all of
 * them in one where they have no rows in common. At least one. Throws a `SamplesFault` when they do not fit the model.
 */
export function sampleRows(
  inputs: readonly (Spec & { readonly shape: readonly number[] })[],
  outputs: readonly Spec[],
  arrays: ReadonlyMap<string, NpyArray>,
): readonly (readonly Tensor[])[] {
  const tensors = sampleInputs(inputs, outputs, arrays);
  const [rows, ...others] = new Set(tensors.map(({ shape }) => shape[0]));
  if (rows === undefined || others.length > 0) return [tensors];
  if (rows === 0) throw samplesFault("the samples have no rows", "write one row of each input at least");
  const step = inputs.map(({ shape }) => shape[0] ?? -1).find((size) => size > 0) ?? 1;
  const count = Math.floor(rows / step);
  if (count === 0) return [tensors];
  return Array.from({ length: count }, (_, at) =>
    tensors.map((tensor) => rowsBetween(tensor, at * step, (at + 1) * step)),
  );
}
