import { DATATYPES, type Datatype, isDatatype, type Tensor, zeroNumbers } from "../../../shared/inference/datatypes.ts";
import type { TensorSpec } from "../../../shared/protocol/manifest.ts";
import { usageFailure } from "../../failure.ts";
import type { NpyArray } from "./read-npy.ts";

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
  const given = inputs.filter(({ name, parameters }) => parameters?.optional !== true || arrays.has(name));
  const tensors = given.map((spec) => inputOf(spec, { inputs: given, outputs, arrays }));
  const counts = new Set(tensors.map(({ shape }) => shape[0] ?? 1));
  const [rows = 1] = counts;
  if (counts.size !== 1 || tensors.some(({ shape }) => shape.length === 0)) return [tensors];
  const fixed = given.map(({ shape }) => shape[0] ?? -1).find((size) => size > 0);
  if (fixed !== undefined && rows % fixed !== 0)
    throw usageFailure(
      `the samples have ${rows} rows, and the model takes ${fixed} at a time`,
      `give a multiple of ${fixed}`,
    );
  const bytes = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  const step = fixed ?? Math.max(1, Math.min(rows, Math.floor((MAX_REQUEST_BYTES * rows) / Math.max(bytes, 1))));
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) =>
    tensors.map((tensor) => rowsOf(tensor, i * step, Math.min(rows, (i + 1) * step))),
  );
}

/** An array by the input's name; of a model with one input also the only array that is no output. */
function inputOf(
  { name, datatype }: TensorSpec,
  of: {
    readonly inputs: readonly TensorSpec[];
    readonly outputs: readonly TensorSpec[];
    readonly arrays: ReadonlyMap<string, NpyArray>;
  },
): Tensor {
  const others = [...of.arrays.keys()].filter((key) => !of.outputs.some((output) => output.name === key));
  const only = of.inputs.length === 1 && others.length === 1 ? others[0] : undefined;
  const array = of.arrays.get(name) ?? (only === undefined ? undefined : of.arrays.get(only));
  if (!array || !isDatatype(datatype))
    throw usageFailure(
      `the samples have no array for input "${name}"; they have ${[...of.arrays.keys()].join(", ")}`,
      `name it as the input: numpy.savez(PATH, **{"${name}": …})`,
    );
  return convert({ ...array, name }, datatype);
}

function convert(tensor: Tensor, datatype: Datatype): Tensor {
  if (tensor.datatype === datatype) return tensor;
  if (datatype === "BYTES" || tensor.datatype === "BYTES")
    throw usageFailure(
      `array "${tensor.name}" is ${tensor.datatype} and the model takes ${datatype}`,
      "write it with another dtype",
    );
  const data = zeroNumbers(datatype, tensor.data.length);
  tensor.data.forEach((value: unknown, at: number) => {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[at] = BigInt(Math.trunc(Number(value)));
    else data[at] = Number(value);
  });
  return { ...tensor, datatype, data };
}

function rowsOf(tensor: Tensor, from: number, to: number): Tensor {
  const [, ...rest] = tensor.shape;
  const width = rest.reduce((product, size) => product * size, 1);
  return { ...tensor, shape: [to - from, ...rest], data: tensor.data.slice(from * width, to * width) };
}

function bytesOf({ datatype, data }: Tensor): number {
  const type = DATATYPES[datatype];
  if (type.kind !== "bytes") return data.length * type.bytes;
  return Array.from(data, String).reduce((sum, text) => sum + 4 + text.length, 0);
}
