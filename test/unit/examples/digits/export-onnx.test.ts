import { describe, expect, it } from "@jest/globals";
import { InferenceSession } from "onnxruntime-node";
import protobuf from "protobufjs";
import { z } from "zod";
import { exportOnnx } from "../../../../examples/digits/export-onnx.ts";
import { sha256Of } from "../../../../examples/digits/model-cards.ts";
import { SeededRandom } from "../../../../examples/digits/random.ts";
import { MODEL_RECIPES } from "../../../../examples/digits/recipes.ts";
import { readDigitSamples } from "../../../../examples/digits/samples.ts";
import { largestDifference, runOnnx } from "./run-onnx.ts";

// Written down a second time, from github.com/onnx/onnx: reading back through the exporter's own
// descriptor would agree with any mistake in it.
const { root } = protobuf.parse(
  `
  syntax = "proto2";
  message ModelProto { optional int64 ir_version = 1; optional string producer_name = 2; optional GraphProto graph = 7;
    repeated OperatorSetIdProto opset_import = 8; }
  message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
  message GraphProto { repeated NodeProto node = 1; optional string name = 2; repeated TensorProto initializer = 5;
    repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12; }
  message NodeProto { repeated string input = 1; repeated string output = 2; optional string op_type = 4; }
  message TensorProto { repeated int64 dims = 1; optional int32 data_type = 2; optional string name = 8;
    optional bytes raw_data = 9; }
  message ValueInfoProto { optional string name = 1; }
`,
  { keepCase: true },
);

const models = MODEL_RECIPES.map(({ name, nodes, seed, createNetwork }) => {
  const random = new SeededRandom(seed);
  const network = createNetwork(random);
  // Zeros would let a forgotten or transposed tensor pass.
  for (const { values } of network.parameters) random.fillUniform(values, 0.05);
  return { name, network, bytes: exportOnnx({ name, nodes, parameters: network.parameters }) };
});

describe.each(models)("the exported $name", ({ name, network, bytes }) => {
  const images = readDigitSamples().map(({ pixels }) => pixels);

  it("is an ONNX model of IR 8 and opset 17 that names its maker", () => {
    expect(parse(bytes)).toMatchObject({
      ir_version: 8,
      producer_name: "skerry-digits",
      opset_import: [{ domain: "", version: 17 }],
      graph: { name, input: [{ name: "image" }], output: [{ name: "probabilities" }] },
    });
  });

  it("holds every parameter in little-endian single precision", () => {
    const { graph } = tensors.parse(parse(bytes));
    expect(graph.initializer.map(({ raw_data, ...tensor }) => ({ ...tensor, digest: sha256Of(raw_data) }))).toEqual(
      network.parameters.map((parameter) => ({
        name: parameter.name,
        dims: parameter.shape,
        data_type: 1,
        digest: sha256Of(littleEndian(parameter.values)),
      })),
    );
  });

  it("gives ONNX Runtime its names and shapes, with the batch left open", async () => {
    const session = await InferenceSession.create(bytes);
    const [input, output] = [session.inputMetadata[0], session.outputMetadata[0]];
    await session.release();
    expect(input).toMatchObject({ name: "image", type: "float32", shape: ["batch", 1, 28, 28] });
    expect(output).toMatchObject({ name: "probabilities", type: "float32", shape: ["batch", 10] });
  });

  it("answers in ONNX Runtime what our own forward pass answers", async () => {
    const rows = await runOnnx(bytes, images);
    const differences = rows.map((row, i) => largestDifference(row, network.forward(images[i] ?? new Float32Array())));
    expect(Math.max(...differences)).toBeLessThan(1e-5);
  });

  it("answers alike alone and in batches of any size", async () => {
    const together = await runOnnx(bytes, images);
    for (const size of [1, 2, 7]) {
      const rows = await runOnnx(bytes, images.slice(0, size));
      rows.forEach((row, i) => {
        expect(largestDifference(row, together[i] ?? [])).toBeLessThan(1e-6);
      });
    }
  });

  it("is the same bytes when exported again", () => {
    const { nodes } = MODEL_RECIPES.find((recipe) => recipe.name === name) ?? { nodes: [] };
    const again = exportOnnx({ name, nodes, parameters: network.parameters });
    expect(sha256Of(again)).toBe(sha256Of(bytes));
  });
});

// Byte arrays are compared by digest: Jest's deep equality takes seconds for a megabyte.
const tensors = z.object({
  graph: z.object({
    initializer: z.array(
      z.object({
        name: z.string(),
        dims: z.array(z.int()),
        data_type: z.int(),
        raw_data: z.instanceof(Uint8Array),
      }),
    ),
  }),
});

function parse(bytes: Uint8Array): object {
  const type = root.lookupType("ModelProto");
  return type.toObject(type.decode(bytes), { longs: Number, arrays: true });
}

function littleEndian(values: Float32Array): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeFloatLE(value, i * 4));
  return bytes;
}
