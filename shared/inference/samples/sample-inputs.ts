import { DATATYPES, type Datatype, isDatatype, type Tensor, zeroNumbers } from "../tensors/datatypes.ts";
import type { NpyArray } from "./npy.ts";
import { samplesFault } from "./samples-fault.ts";

/** What of a model's input or output matters to its samples. */
interface SampleSpec {
  readonly name: string;
  readonly datatype: string;
  readonly parameters?: { readonly optional?: true | undefined } | undefined;
}

/** The samples' arrays as inputs of the model; optional ones where there is an array. Throws a `SamplesFault`. */
export function sampleInputs(
  inputs: readonly SampleSpec[],
  outputs: readonly SampleSpec[],
  arrays: ReadonlyMap<string, NpyArray>,
): readonly Tensor[] {
  const given = inputs.filter(({ name, parameters }) => parameters?.optional !== true || arrays.has(name));
  return given.map((spec) => inputOf(spec, { inputs: given, outputs, arrays }));
}

/** An array by the input's name; of a model with one input also the only array that is no output. */
function inputOf(
  { name, datatype }: SampleSpec,
  of: {
    readonly inputs: readonly SampleSpec[];
    readonly outputs: readonly SampleSpec[];
    readonly arrays: ReadonlyMap<string, NpyArray>;
  },
): Tensor {
  const others = [...of.arrays.keys()].filter((key) => !of.outputs.some((output) => output.name === key));
  const only = of.inputs.length === 1 && others.length === 1 ? others[0] : undefined;
  const array = of.arrays.get(name) ?? (only === undefined ? undefined : of.arrays.get(only));
  if (!array || !isDatatype(datatype))
    throw samplesFault(
      `the samples have no array for input "${name}"; they have ${[...of.arrays.keys()].join(", ")}`,
      `name it as the input: numpy.savez(PATH, **{"${name}": …})`,
    );
  return convert({ ...array, name }, datatype);
}

function convert(tensor: Tensor, datatype: Datatype): Tensor {
  if (tensor.datatype === datatype) return tensor;
  if (datatype === "BYTES" || tensor.datatype === "BYTES")
    throw samplesFault(
      `array "${tensor.name}" is ${tensor.datatype} and the model takes ${datatype}`,
      "write it with another dtype",
    );
  const data = zeroNumbers(datatype, tensor.data.length);
  const isWhole = DATATYPES[datatype].kind !== "float" && DATATYPES[datatype].kind !== "half";
  tensor.data.forEach((value: unknown, at: number) => {
    if (isWhole && typeof value === "number" && !Number.isFinite(value))
      throw samplesFault(
        `array "${tensor.name}" holds ${value}, which ${datatype} cannot`,
        "write it with the dtype of the input",
      );
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[at] = BigInt(Math.trunc(Number(value)));
    else data[at] = Number(value);
  });
  return { ...tensor, datatype, data };
}

/** Rows of a tensor; a view where the runtime has views. */
export function rowsBetween(tensor: Tensor, from: number, to: number): Tensor {
  const [, ...rest] = tensor.shape;
  const width = rest.reduce((product, size) => product * size, 1);
  return { ...tensor, shape: [to - from, ...rest], data: tensor.data.slice(from * width, to * width) };
}
