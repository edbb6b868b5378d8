import { readFileSync } from "node:fs";
import { ATTRIBUTE_TYPE, FLOAT, IR_VERSION, ModelProto, OPSET_VERSION } from "../../../examples/digits/onnx-proto.ts";
import { softmaxModel } from "../../support/models/onnx/onnx-models.ts";

/** A model that the benchmarks ask, with the shape of its one input for one row. */
export interface BenchModel {
  readonly name: string;
  readonly input: string;
  readonly shape: readonly number[];
  readonly file: Uint8Array;
}

/** 784 → 10, 10 µs: what remains is the way there and back. */
export const softmax = (): BenchModel => ({ name: "softmax", input: "x", shape: [784], file: softmaxModel() });

/** The convolutional network of the digits example. */
export const digits = (): BenchModel => ({
  name: "digits",
  input: "image",
  shape: [1, 28, 28],
  file: readFileSync("examples/digits/models/digits.onnx"),
});

const DEEP_LAYERS = 12;

/** Thirteen convolutions over 28 × 28, 32 channels: about a millisecond a row, and a batch of two takes twice as long. */
export function millisecond(): BenchModel {
  const names = ["image", ...Array.from({ length: DEEP_LAYERS + 1 }, (_, layer) => `layer${layer}`)];
  const layers = names.slice(1);
  const file = encode({
    node: [...layers.map((name, i) => conv(names[i] ?? "", name)), mean(layers.at(-1) ?? "", "y")],
    initializer: layers.map((name, i) => weights(`${name}-weights`, [32, i === 0 ? 1 : 32, 3, 3])),
    input: [value("image", [1, 28, 28])],
    output: [value("y", [32])],
  });
  return { name: "millisecond", input: "image", shape: [1, 28, 28], file };
}

/** The mean of each colour of a 224 × 224 picture: 602 kB in, 12 bytes out. */
export function picture(): BenchModel {
  const file = encode({
    node: [mean("image", "y")],
    initializer: [],
    input: [value("image", [3, 224, 224])],
    output: [value("y", [3])],
  });
  return { name: "picture", input: "image", shape: [3, 224, 224], file };
}

/** A 224 × 224 picture with its signs turned: 602 kB in, 602 kB out. */
export function negative(): BenchModel {
  const size = [3, 224, 224];
  const file = encode({
    node: [{ input: ["image"], output: ["y"], opType: "Neg" }],
    initializer: [],
    input: [value("image", size)],
    output: [value("y", size)],
  });
  return { name: "negative", input: "image", shape: size, file };
}

const SMALL_LAYERS = 6;

/** Seven convolutions over a 64 × 64 picture, the first one with steps of two: about a millisecond; 12,288 numbers in, 32 out. */
export function thumbnail(): BenchModel {
  const names = Array.from({ length: SMALL_LAYERS + 1 }, (_, layer) => `layer${layer}`);
  const file = encode({
    node: [
      conv("image", "layer0", [{ name: "strides", ints: [2, 2], type: ATTRIBUTE_TYPE.ints }]),
      ...names.slice(1).map((name, i) => conv(names[i] ?? "", name)),
      mean(names.at(-1) ?? "", "y"),
    ],
    initializer: names.map((name, i) => weights(`${name}-weights`, [32, i === 0 ? 3 : 32, 3, 3])),
    input: [value("image", [3, 64, 64])],
    output: [value("y", [32])],
  });
  return { name: "thumbnail", input: "image", shape: [3, 64, 64], file };
}

const conv = (input: string, output: string, attributes: readonly object[] = []): object => ({
  input: [input, `${output}-weights`],
  output: [output],
  opType: "Conv",
  attribute: [{ name: "pads", ints: [1, 1, 1, 1], type: ATTRIBUTE_TYPE.ints }, ...attributes],
});

const mean = (input: string, output: string): object => ({
  input: [input],
  output: [output],
  opType: "ReduceMean",
  attribute: [
    { name: "axes", ints: [2, 3], type: ATTRIBUTE_TYPE.ints },
    { name: "keepdims", i: 0, type: ATTRIBUTE_TYPE.int },
  ],
});

/** A small ramp, the same on every run. */
function weights(name: string, dims: readonly number[]): object {
  const length = dims.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length }, (_, i) => (((i * 37) % 101) - 50) / 500);
  return { dims, dataType: FLOAT, name, rawData: new Uint8Array(values.buffer) };
}

const value = (name: string, shape: readonly number[]): object => ({
  name,
  type: {
    tensorType: {
      elemType: FLOAT,
      shape: { dim: [{ dimParam: "n" }, ...shape.map((size) => ({ dimValue: size }))] },
    },
  },
});

const encode = (graph: object): Uint8Array =>
  ModelProto.encode(
    ModelProto.fromObject({
      irVersion: IR_VERSION,
      producerName: "skerry-bench",
      opsetImport: [{ domain: "", version: OPSET_VERSION }],
      graph: { name: "bench", ...graph },
    }),
  ).finish();
