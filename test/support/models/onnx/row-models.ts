import { axis, model, constant, int64s, type Node } from "./onnx-builder.ts";

/** Models with which it is tried whether the rows of a batch depend on each other. */

/** A model of given nodes from `x` FP32 [n, …row] to `y`, with FP32 constants; for tests that make graphs by chance. */
export function graphModel(
  row: readonly number[],
  nodes: readonly Node[],
  constants: Readonly<Record<string, { readonly dims: readonly number[]; readonly values: readonly number[] }>>,
): Uint8Array {
  return model({
    nodes,
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", ...row] }],
    outputs: [{ name: "y", datatype: "FP32" }],
    constants: Object.entries(constants).map(([name, { dims, values }]) =>
      constant(name, "FP32", dims, Float32Array.from(values)),
    ),
  });
}

/** One step of a model whose memory the caller keeps, as speech models have it: INT64 step, scalar gain, state [1, 4]. */
export const statefulModel = (): Uint8Array =>
  model({
    nodes: [
      { opType: "Mul", input: ["state", "gain"], output: ["next_state"] },
      { opType: "Add", input: ["step", "one"], output: ["next_step"] },
    ],
    inputs: [
      { name: "state", datatype: "FP32", shape: [1, 4] },
      { name: "gain", datatype: "FP32", shape: [] },
      { name: "step", datatype: "INT64", shape: [1] },
    ],
    outputs: [
      { name: "next_state", datatype: "FP32", shape: [1, 4] },
      { name: "next_step", datatype: "INT64", shape: [1] },
    ],
    constants: [constant("one", "INT64", [1], int64s(1))],
  });

/** sum = a + b and difference = a − b, for [any] each: two inputs, two outputs. */
export const sumAndDifferenceModel = (): Uint8Array =>
  model({
    nodes: [
      { opType: "Add", input: ["a", "b"], output: ["sum"] },
      { opType: "Sub", input: ["a", "b"], output: ["difference"] },
    ],
    inputs: ["a", "b"].map((name) => ({ name, datatype: "FP32", shape: ["n"] })),
    outputs: ["sum", "difference"].map((name) => ({ name, datatype: "FP32", shape: ["n"] })),
  });

/** The FP32 models of [any, 3] → [any, 3] whose signature promises rows that do not depend on each other. */
const rowModel = (nodes: readonly Node[], constants: readonly object[] = []): Uint8Array =>
  model({
    nodes,
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", 3] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", 3] }],
    constants,
  });

/** Models that break that promise, by what they do. */
export const ROW_MIXERS: Readonly<Record<string, Uint8Array>> = {
  "a softmax over the batch": rowModel([{ opType: "Softmax", input: ["x"], output: ["y"], attribute: axis(0) }]),
  "the sum of the batch taken off": rowModel(
    [
      { opType: "ReduceSum", input: ["x", "axes"], output: ["sum"] },
      { opType: "Sub", input: ["x", "sum"], output: ["y"] },
    ],
    [constant("axes", "INT64", [1], int64s(0))],
  ),
  "a quantisation whose scale is that of the batch": rowModel([
    { opType: "DynamicQuantizeLinear", input: ["x"], output: ["q", "scale", "zero"] },
    { opType: "DequantizeLinear", input: ["q", "scale", "zero"], output: ["y"] },
  ]),
  "random numbers": rowModel([{ opType: "RandomNormalLike", input: ["x"], output: ["y"] }]),
  "rows in reverse": rowModel(
    [{ opType: "Slice", input: ["x", "last", "end", "rows", "back"], output: ["y"] }],
    [
      constant("last", "INT64", [1], int64s(-1)),
      constant("end", "INT64", [1], int64s(-1_000)),
      constant("rows", "INT64", [1], int64s(0)),
      constant("back", "INT64", [1], int64s(-1)),
    ],
  ),
};

/** y = x [any, 3] with its rows cut in three, [any]: three rows come out for each that goes in. */
export const flatteningModel = (): Uint8Array =>
  model({
    nodes: [{ opType: "Reshape", input: ["x", "shape"], output: ["y"] }],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", 3] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["m"] }],
    constants: [constant("shape", "INT64", [1], int64s(-1))],
  });

/** y = x + noise that is another in each run. */
export const randomModel = (): Uint8Array =>
  model({
    nodes: [
      { opType: "RandomNormalLike", input: ["x"], output: ["noise"] },
      { opType: "Add", input: ["x", "noise"], output: ["y"] },
    ],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", 3] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", 3] }],
  });
