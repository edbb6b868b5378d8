import protobuf from "protobufjs";

/** Small models for tests, hand-made: each shows one behaviour of ONNX Runtime, kind or hostile. */

/** The part of onnx.proto that these models need; the field numbers are ONNX's. */
const { root } = protobuf.parse(`
  syntax = "proto2";
  message ModelProto { optional int64 irVersion = 1; optional GraphProto graph = 7; repeated OperatorSet opsetImport = 8; }
  message OperatorSet { optional string domain = 1; optional int64 version = 2; }
  message GraphProto {
    repeated NodeProto node = 1; optional string name = 2; repeated TensorProto initializer = 5;
    repeated ValueInfo input = 11; repeated ValueInfo output = 12;
  }
  message NodeProto {
    repeated string input = 1; repeated string output = 2; optional string name = 3; optional string opType = 4;
    repeated Attribute attribute = 5; optional string domain = 7;
  }
  message Attribute { optional string name = 1; optional int64 i = 3; optional TensorProto t = 5; optional GraphProto g = 6; repeated int64 ints = 8; optional int32 type = 20; }
  message TensorProto { repeated int64 dims = 1; optional int32 dataType = 2; repeated bytes stringData = 6; optional string name = 8; optional bytes rawData = 9; }
  message ValueInfo { optional string name = 1; optional TypeProto type = 2; }
  message TypeProto { optional TensorType tensorType = 1; }
  message TensorType { optional int32 elemType = 1; optional Shape shape = 2; }
  message Shape { repeated Dimension dim = 1; }
  message Dimension { optional int64 dimValue = 1; optional string dimParam = 2; }
`);
const ModelProto = root.lookupType("ModelProto");

/** `TensorProto.DataType` of the protocol's datatypes. */
const ELEMENT_TYPE = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
  BF16: 16,
} as const;
export type ElementType = keyof typeof ELEMENT_TYPE;

/** A number is a fixed size, a word a variable one. No shape: the model does not tell its rank. */
interface Value {
  readonly name: string;
  readonly datatype: ElementType;
  readonly shape?: readonly (number | string)[];
}

interface Node {
  readonly opType: string;
  readonly input?: readonly string[];
  readonly output: readonly string[];
  readonly attribute?: readonly object[];
}

interface Graph {
  readonly nodes: readonly Node[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly constants?: readonly object[];
}

const typeOf = ({ datatype, shape }: Value): object => ({
  tensorType: {
    elemType: ELEMENT_TYPE[datatype],
    ...(shape && {
      shape: { dim: shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size })) },
    }),
  },
});

const graphProto = ({ nodes, inputs, outputs, constants = [] }: Graph, name = "g"): object => ({
  node: nodes,
  name,
  initializer: constants,
  input: inputs.map((value) => ({ name: value.name, type: typeOf(value) })),
  output: outputs.map((value) => ({ name: value.name, type: typeOf(value) })),
});

function model(graph: Graph): Uint8Array {
  const message = ModelProto.create({
    irVersion: 8,
    graph: graphProto(graph),
    opsetImport: [{ domain: "", version: 17 }],
  });
  return ModelProto.encode(message).finish();
}

function constant(name: string, datatype: ElementType, dims: readonly number[], values: ArrayBufferView): object {
  const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dims, dataType: ELEMENT_TYPE[datatype], rawData };
}

const int64s = (...values: readonly number[]): BigInt64Array => BigInt64Array.from(values.map(BigInt));

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

/**
 * Loops as often as the input `turns` says, 1,000 for each 1: with zeros the warm run is over at once, and a large
 * number never returns. `forever`: loops without end on any input, the warm run included.
 */
export function loopModel({ forever }: { readonly forever: boolean }): Uint8Array {
  return model({
    nodes: [
      { opType: "Mul", input: ["turns", "thousand"], output: ["count"] },
      { opType: "Loop", input: [forever ? "" : "count", "yes", "turns"], output: ["last"], attribute: loopBody([]) },
    ],
    inputs: [{ name: "turns", datatype: "INT64", shape: [] }],
    outputs: [{ name: "last", datatype: "INT64", shape: [] }],
    constants: [constant("yes", "BOOL", [], Uint8Array.of(1)), constant("thousand", "INT64", [], int64s(1_000))],
  });
}

/** y = x [any], after as many turns as the largest of its rows says: a batch is as slow as its slowest. */
export const loopingRowsModel = (): Uint8Array =>
  model({
    nodes: [
      { opType: "ReduceMax", input: ["x"], output: ["count"], attribute: [{ name: "keepdims", type: 2, i: 0 }] },
      { opType: "Loop", input: ["count", "yes", "x"], output: ["y"], attribute: loopBody(["n"]) },
    ],
    inputs: [{ name: "x", datatype: "INT64", shape: ["n"] }],
    outputs: [{ name: "y", datatype: "INT64", shape: ["n"] }],
    constants: [constant("yes", "BOOL", [], Uint8Array.of(1))],
  });

/** A turn that carries its value on, unchanged. */
function loopBody(shape: readonly (number | string)[]): readonly object[] {
  const body = graphProto(
    {
      nodes: [
        { opType: "Identity", input: ["going"], output: ["go_on"] },
        { opType: "Identity", input: ["carried"], output: ["carry"] },
      ],
      inputs: [
        { name: "i", datatype: "INT64", shape: [] },
        { name: "going", datatype: "BOOL", shape: [] },
        { name: "carried", datatype: "INT64", shape },
      ],
      outputs: [
        { name: "go_on", datatype: "BOOL", shape: [] },
        { name: "carry", datatype: "INT64", shape },
      ],
    },
    "body",
  );
  return [{ name: "body", type: 5, g: body }];
}

/** Holds `mebibytes` while it loads: the runtime folds the constant into the graph. */
export const loadBombModel = (mebibytes: number): Uint8Array =>
  model({
    nodes: [
      { opType: "ConstantOfShape", input: ["shape"], output: ["huge"] },
      { opType: "ReduceSum", input: ["huge"], output: ["sum"] },
      { opType: "Add", input: ["x", "sum"], output: ["y"] },
    ],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n"] }],
    outputs: [{ name: "y", datatype: "FP32" }],
    constants: [constant("shape", "INT64", [1], int64s(mebibytes * 262_144))],
  });

/** Holds as many MiB while it runs as its input says: `mebibytes` [1] → sum [1]. */
export const runBombModel = (): Uint8Array =>
  model({
    nodes: [
      { opType: "Mul", input: ["mebibytes", "elements"], output: ["shape"] },
      { opType: "ConstantOfShape", input: ["shape"], output: ["huge"] },
      { opType: "Exp", input: ["huge"], output: ["powers"] },
      { opType: "ReduceSum", input: ["powers"], output: ["sum"] },
    ],
    inputs: [{ name: "mebibytes", datatype: "INT64", shape: [1] }],
    outputs: [{ name: "sum", datatype: "FP32", shape: [1] }],
    constants: [constant("elements", "INT64", [1], int64s(262_144))],
  });

/** y = Σ exp(x · w), [any, 1] each, by way of `mebibytes` for each row: a run's memory grows with its rows. */
export const wideRowsModel = (mebibytes: number): Uint8Array =>
  model({
    nodes: [
      { opType: "MatMul", input: ["x", "w"], output: ["wide"] },
      { opType: "Exp", input: ["wide"], output: ["powers"] },
      { opType: "ReduceSum", input: ["powers", "axes"], output: ["y"] },
    ],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", 1] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", 1] }],
    constants: [
      constant("w", "FP32", [1, mebibytes * 262_144], new Float32Array(mebibytes * 262_144)),
      constant("axes", "INT64", [1], int64s(1)),
    ],
  });

/** Names an operator that does not exist: refused when it is loaded. */
export const unknownOperatorModel = (): Uint8Array =>
  model({
    nodes: [{ opType: "Frobnicate", input: ["x"], output: ["y"] }],
    inputs: [{ name: "x", datatype: "FP32", shape: [2] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [2] }],
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

const axis = (i: number): readonly object[] => [{ name: "axis", type: 2, i }];

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
