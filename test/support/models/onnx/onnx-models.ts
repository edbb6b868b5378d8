import { ELEMENT_TYPE, axis, model, constant, int64s, type ElementType } from "./onnx-builder.ts";

/** Small models for tests, hand-made: each shows one behaviour of ONNX Runtime. */

/** y = x for one datatype: [any, 2] unless said otherwise. */
export const identityModel = (datatype: ElementType, shape: readonly (number | string)[] = ["n", 2]): Uint8Array =>
  model({
    nodes: [{ opType: "Identity", input: ["x"], output: ["y"] }],
    inputs: [{ name: "x", datatype, shape }],
    outputs: [{ name: "y", datatype, shape }],
  });

/** variable = Σ X + `intercept` for [any, features] → [any, 1], with the names that skl2onnx gives. */
export const regressorModel = ({
  features,
  intercept,
}: {
  readonly features: number;
  readonly intercept: number;
}): Uint8Array =>
  model({
    nodes: [
      { opType: "MatMul", input: ["X", "ones"], output: ["sum"] },
      { opType: "Add", input: ["sum", "intercept"], output: ["variable"] },
    ],
    inputs: [{ name: "X", datatype: "FP32", shape: ["n", features] }],
    outputs: [{ name: "variable", datatype: "FP32", shape: ["n", 1] }],
    constants: [
      constant("ones", "FP32", [features, 1], new Float32Array(features).fill(1)),
      constant("intercept", "FP32", [1], Float32Array.of(intercept)),
    ],
  });

/** y = as many zeros as `x` says, FP32: a large answer to a small request. */
export const zerosModel = (): Uint8Array =>
  model({
    nodes: [{ opType: "ConstantOfShape", input: ["x"], output: ["y"] }],
    inputs: [{ name: "x", datatype: "INT64", shape: [1] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n"] }],
  });

/** y = Σ x · w for [any, 1] → [1, 1]; a row takes 4 bytes for each of `width` weights while it runs. */
export const wideRowsModel = (width: number): Uint8Array =>
  model({
    nodes: [
      { opType: "MatMul", input: ["x", "w"], output: ["wide"] },
      { opType: "ReduceSum", input: ["wide"], output: ["y"] },
    ],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", 1] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [1, 1] }],
    constants: [constant("w", "FP32", [1, width], new Float32Array(width))],
  });

/** y = softmax(x · w) for [any, 784] → [any, 10]; `w` is the same small ramp on every run. */
export function softmaxModel(): Uint8Array {
  const weights = Float32Array.from({ length: 784 * 10 }, (_, i) => ((i * 37) % 101) / 1_000);
  return model({
    nodes: [
      { opType: "MatMul", input: ["x", "w"], output: ["z"] },
      { opType: "Softmax", input: ["z"], output: ["y"] },
    ],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", 784] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", 10] }],
    constants: [constant("w", "FP32", [784, 10], weights)],
  });
}

/** `layers` times y = relu(x · w) for [any, width] → [any, width]: one row is bound by memory, many rows by arithmetic. */
export function denseModel({ width, layers }: { readonly width: number; readonly layers: number }): Uint8Array {
  const indices = Array.from({ length: layers }, (_, i) => i);
  const weights = Float32Array.from({ length: width * width }, (_, i) => (((i * 37) % 101) - 50) / (25 * width));
  return model({
    nodes: indices.flatMap((i) => [
      { opType: "MatMul", input: [i === 0 ? "x" : `h${i}`, `w${i}`], output: [`z${i}`] },
      { opType: "Relu", input: [`z${i}`], output: [i === layers - 1 ? "y" : `h${i + 1}`] },
    ]),
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", width] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", width] }],
    constants: indices.map((i) => constant(`w${i}`, "FP32", [width, width], weights)),
  });
}

/** y = 1 / x: gives infinity for 0. */
export const reciprocalModel = (): Uint8Array =>
  model({
    nodes: [{ opType: "Reciprocal", input: ["x"], output: ["y"] }],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n"] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n"] }],
  });

/** `label` = one of the texts, given as bytes; `echo` = `text`. */
export const labelModel = (labels: readonly Uint8Array[]): Uint8Array =>
  model({
    nodes: [
      { opType: "Gather", input: ["labels", "index"], output: ["label"] },
      { opType: "Identity", input: ["text"], output: ["echo"] },
    ],
    inputs: [
      { name: "index", datatype: "INT64", shape: ["n"] },
      { name: "text", datatype: "BYTES", shape: ["m"] },
    ],
    outputs: [
      { name: "label", datatype: "BYTES", shape: ["n"] },
      { name: "echo", datatype: "BYTES", shape: ["m"] },
    ],
    constants: [{ name: "labels", dims: [labels.length], dataType: ELEMENT_TYPE.BYTES, stringData: labels }],
  });

/** y = x reshaped to [2, 2]: fails at run on any other count of elements. */
export const reshapeModel = (): Uint8Array =>
  model({
    nodes: [{ opType: "Reshape", input: ["x", "shape"], output: ["y"] }],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n"] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [2, 2] }],
    constants: [constant("shape", "INT64", [2], int64s(2, 2))],
  });

/** The row of a table of four for each index [any] → [any, 2]: fails at run on any other index. */
export const embeddingModel = (): Uint8Array =>
  model({
    nodes: [{ opType: "Gather", input: ["table", "index"], output: ["y"] }],
    inputs: [{ name: "index", datatype: "INT64", shape: ["n"] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", 2] }],
    constants: [constant("table", "FP32", [4, 2], Float32Array.of(0, 1, 10, 11, 20, 21, 30, 31))],
  });

/** sum = a + b and product = a · b for [any, any] of one datatype. */
export const arithmeticModel = (datatype: ElementType): Uint8Array =>
  model({
    nodes: [
      { opType: "Add", input: ["a", "b"], output: ["sum"] },
      { opType: "Mul", input: ["a", "b"], output: ["product"] },
    ],
    inputs: ["a", "b"].map((name) => ({ name, datatype, shape: ["n", "width"] })),
    outputs: ["sum", "product"].map((name) => ({ name, datatype, shape: ["n", "width"] })),
  });

/** number = the text as FP32: a text that is no number is an error. */
export const textToNumberModel = (): Uint8Array =>
  model({
    nodes: [{ opType: "Cast", input: ["text"], output: ["number"], attribute: [{ name: "to", type: 2, i: 1 }] }],
    inputs: [{ name: "text", datatype: "BYTES", shape: [1] }],
    outputs: [{ name: "number", datatype: "FP32", shape: [1] }],
  });

/** value = the table's row at `index`, of three. */
export const lookUpModel = (): Uint8Array =>
  model({
    nodes: [{ opType: "Gather", input: ["table", "index"], output: ["value"], attribute: axis(0) }],
    inputs: [{ name: "index", datatype: "INT64", shape: [1] }],
    outputs: [{ name: "value", datatype: "FP32", shape: [1] }],
    constants: [constant("table", "FP32", [3], Float32Array.of(1, 2, 3))],
  });

/** y = x · w + b for rows of one; `w` and `b` may be left out, and are then 1 and 0. `irVersion` 3: they may not. */
export const scaleModel = ({ irVersion = 8 } = {}): Uint8Array =>
  model(
    {
      nodes: [
        { opType: "Mul", input: ["x", "w"], output: ["scaled"] },
        { opType: "Add", input: ["scaled", "b"], output: ["y"] },
      ],
      inputs: [
        { name: "x", datatype: "FP32", shape: ["n", 1] },
        { name: "w", datatype: "FP32", shape: [1] },
        { name: "b", datatype: "FP32", shape: [1] },
      ],
      outputs: [{ name: "y", datatype: "FP32", shape: ["n", 1] }],
      constants: [constant("w", "FP32", [1], Float32Array.of(1)), constant("b", "FP32", [1], Float32Array.of(0))],
    },
    irVersion,
  );
