import { DATATYPES, type Tensor } from "../../../shared/inference/tensors/datatypes.ts";
import type { NpyArray } from "../../../shared/inference/samples/npy.ts";
import { rowsBetween, sampleInputs } from "../../../shared/inference/samples/sample-inputs.ts";
import type { TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import { usageFailure } from "../../failure.ts";

/** Bytes of inputs in one request. */
const MAX_REQUEST_BYTES = 4 * 1024 ** 2;

/**
 * The samples as requests, each a list of inputs: one where they fit, else row by row as many as fit; a model with a fixed first
 * dimension gets so many rows each. Throws a usage failure that says which array is missing or has no place.
 */
export function sampleRequests(
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  arrays: ReadonlyMap<string, NpyArray>,
): readonly (readonly Tensor[])[] {
  const tensors = sampleInputs(inputs, outputs, arrays);
  const counts = new Set(tensors.map(({ shape }) => shape[0] ?? 1));
  const [rows = 1] = counts;
  if (counts.size !== 1 || tensors.some(({ shape }) => shape.length === 0)) return [tensors];
  const fixed = inputs
    .filter(({ parameters }) => parameters?.optional !== true)
    .map(({ shape }) => shape[0] ?? -1)
    .find((size) => size > 0);
  if (fixed !== undefined && rows % fixed !== 0)
    throw usageFailure(
      `the samples have ${rows} rows, and the model takes ${fixed} at a time`,
      `give a multiple of ${fixed}`,
    );
  const bytes = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  const step = fixed ?? Math.max(1, Math.min(rows, Math.floor((MAX_REQUEST_BYTES * rows) / Math.max(bytes, 1))));
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) =>
    tensors.map((tensor) => rowsBetween(tensor, i * step, Math.min(rows, (i + 1) * step))),
  );
}

function bytesOf({ datatype, data }: Tensor): number {
  const type = DATATYPES[datatype];
  if (type.kind !== "bytes") return data.length * type.bytes;
  return Array.from(data, String).reduce((sum, text) => sum + 4 + text.length, 0);
}
