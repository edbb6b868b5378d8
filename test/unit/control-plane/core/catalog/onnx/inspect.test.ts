import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { bytesSource } from "../../../../../../control-plane/core/catalog/byte-source.ts";
import { type OnnxModel, inspectOnnx } from "../../../../../../control-plane/core/catalog/onnx/inspect.ts";
import { field, FLOAT, INT64, message, node, onnx, tensor, tensorType, value, type ModelParts } from "./onnx-bytes.ts";

function inspected(bytes: Uint8Array): OnnxModel {
  const inspection = inspectOnnx(bytesSource(bytes));
  if (inspection.kind === "refused") throw new Error(inspection.reason);
  return inspection.model;
}

/** Why a file is refused; `undefined` when it is not. */
function refusal(bytes: Uint8Array): string | undefined {
  const inspection = inspectOnnx(bytesSource(bytes));
  return inspection.kind === "refused" ? inspection.reason : undefined;
}

const refusalOf = (parts: ModelParts): string | undefined => refusal(onnx(parts));

describe("the inspection of an ONNX file", () => {
  it("finds versions, producer, inputs and outputs", () => {
    expect(
      inspected(
        onnx({
          opsets: [
            ["", 17],
            ["ai.onnx.ml", 3],
          ],
        }),
      ),
    ).toEqual({
      irVersion: 8,
      opsets: { "ai.onnx": 17 },
      opset: 17,
      rows: { kind: "independent" },
      producer: "by-hand 1.2",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
      outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
    });
  });

  it.each(["digits", "digits-small"])("reads the trained example %s", (name) => {
    const model = inspected(
      readFileSync(new URL(`../../../../../../examples/digits/models/${name}.onnx`, import.meta.url)),
    );
    expect(model.inputs).toEqual([{ name: "image", datatype: "FP32", shape: [-1, 1, 28, 28] }]);
    expect(model.outputs).toEqual([{ name: "probabilities", datatype: "FP32", shape: [-1, 10] }]);
  });

  it("ignores imports that no operator uses, as tools of ONNX Runtime write nine", () => {
    const opsets: [string, number][] = [
      ["", 17],
      ["ai.onnx.training", 1],
      ["com.microsoft.nchwc", 1],
      ["org.pytorch.aten", 1],
    ];
    expect(inspected(onnx({ opsets })).opsets).toEqual({ "ai.onnx": 17 });
  });

  it("takes the runtime's own operators", () => {
    const opsets: [string, number][] = [["com.microsoft", 1]];
    const model = inspected(onnx({ opsets, nodes: [node("Gelu", field(7, "com.microsoft"))] }));
    expect(model.opsets).toEqual({ "com.microsoft": 1 });
    expect(model.rows).toEqual({ kind: "independent" });
  });

  it("reads a file in pieces of any size alike", () => {
    const bytes = onnx({ initializers: [tensor("w", [300, 300])] });
    const source = {
      size: bytes.length,
      read: (offset: number, length: number) => bytes.slice(offset, offset + length),
    };
    expect(inspectOnnx(source)).toEqual(inspectOnnx(bytesSource(bytes)));
  });

  it("leaves initializers out of the inputs, as files before IR 4 list them there", () => {
    const inputs = [value("x", tensorType(FLOAT, [2])), value("w", tensorType(FLOAT, [2]))];
    expect(
      inspected(onnx({ irVersion: 3, inputs, initializers: [tensor("w", [2])] })).inputs.map(({ name }) => name),
    ).toEqual(["x"]);
  });

  it("shows every length that is not a number as −1", () => {
    const shape = ["batch", undefined, -1, 0, 7];
    expect(inspected(onnx({ inputs: [value("x", tensorType(FLOAT, shape))] })).inputs[0]?.shape).toEqual([
      -1, -1, -1, 0, 7,
    ]);
  });

  it("shows an output of unknown rank as one variable dimension, and refuses such an input", () => {
    expect(inspected(onnx({ outputs: [value("y", tensorType(INT64))] })).outputs).toEqual([
      { name: "y", datatype: "INT64", shape: [-1] },
    ]);
    expect(refusalOf({ inputs: [value("x", tensorType(INT64))] })).toMatch(/input "x" has no shape/);
  });

  it.each([
    [1, "FP32"],
    [2, "UINT8"],
    [3, "INT8"],
    [4, "UINT16"],
    [5, "INT16"],
    [6, "INT32"],
    [7, "INT64"],
    [8, "BYTES"],
    [9, "BOOL"],
    [10, "FP16"],
    [11, "FP64"],
    [12, "UINT32"],
    [13, "UINT64"],
  ])("calls ONNX datatype %i %s", (datatype, name) => {
    expect(inspected(onnx({ inputs: [value("x", tensorType(datatype, [1]))] })).inputs[0]?.datatype).toBe(name);
  });

  it("says 1 for the opset of a model that only uses ai.onnx.ml", () => {
    const parts: ModelParts = { opsets: [["ai.onnx.ml", 3]], nodes: [node("Scaler", field(7, "ai.onnx.ml"))] };
    expect(inspected(onnx(parts)).opset).toBe(1);
  });

  it("makes the producer fit for a terminal", () => {
    expect(inspected(onnx({ modelFields: [field(2, `\u001b[31m${"x".repeat(500)}`)] })).producer).toMatch(
      /^\uFFFD\[31mx{95}$/,
    );
  });
});

describe("refusals of the inspection", () => {
  it.each([
    ["complex numbers", { inputs: [value("x", tensorType(14, [1]))] }, /input "x" has datatype COMPLEX64/],
    [
      "a datatype of the future",
      { outputs: [value("y", tensorType(99, [1]))] },
      /output "y" has the unknown datatype 99/,
    ],
    ["a sequence", { inputs: [value("x", message(field(4, message())))] }, /input "x" is a sequence; only tensors/],
    ["a map", { outputs: [value("y", message(field(5, message())))] }, /output "y" is a map/],
    ["an optional", { inputs: [value("x", message(field(9, message())))] }, /input "x" is an optional/],
    [
      "two types",
      { inputs: [message(field(1, "x"), field(2, tensorType(1, [1])), field(2, tensorType(7, [1])))] },
      /two types/,
    ],
    ["an input without type", { inputs: [message(field(1, "x"))] }, /input "x" has no type/],
    ["an input without name", { inputs: [value("", tensorType(1, [1]))] }, /an input has no name/],
    [
      "a name that would garble a terminal",
      { inputs: [value("a\u0007b", tensorType(1, [1]))] },
      /holds control characters/,
    ],
    [
      "a name of 300 characters",
      { inputs: [value("n".repeat(300), tensorType(1, [1]))] },
      /has 300 characters; at most 256/,
    ],
    ["nine dimensions", { inputs: [value("x", tensorType(1, [1, 1, 1, 1, 1, 1, 1, 1, 1]))] }, /more than 8 dimensions/],
    [
      "two inputs of one name",
      { inputs: [value("x", tensorType(1, [1])), value("x", tensorType(1, [1]))] },
      /two inputs are called "x"/,
    ],
    ["no outputs", { outputs: [] }, /no outputs/],
    [
      "an operator of another domain",
      { nodes: [node("Mine", field(7, "com.example"))] },
      /operator "Mine" is from domain "com.example"; only ai.onnx, ai.onnx.ml, and com.microsoft are served/,
    ],
    [
      "a layout for one kind of processor",
      { nodes: [node("Conv", field(7, "com.microsoft.nchwc"))] },
      /a layout for one kind of processor: save the model with graph optimization level ORT_ENABLE_EXTENDED/,
    ],
    ["operators that are not imported", { opsets: [["ai.onnx.ml", 3]] }, /uses operators of ai.onnx without importing/],
    [
      "one domain in two versions",
      {
        opsets: [
          ["", 17],
          ["ai.onnx", 18],
        ],
      },
      /imports ai.onnx in two versions/,
    ],
    ["an opset that is too new", { opsets: [["", 27]] }, /version 27 of the operator set ai.onnx; 7 to 26 are served/],
    ["an opset that is too old", { opsets: [["", 6]] }, /version 6 of the operator set ai.onnx/],
    ["an IR that is too new", { irVersion: 14 }, /ir_version is 14; 3 to 13/],
    ["functions", { modelFields: [field(25, message())] }, /functions of its own/],
    ["training information", { modelFields: [field(20, message())] }, /training information/],
    ["two graphs", { modelFields: [field(7, message())] }, /two graphs/],
    ["sparse tensors", { more: [field(15, message())] }, /sparse tensor/],
    [
      "a string of more than 1 MiB",
      { modelFields: [field(6, "d".repeat(1024 ** 2 + 1))] },
      /is 1048577 bytes long; at most 1048576/,
    ],
    [
      "a name that is not UTF-8",
      { inputs: [message(field(1, Uint8Array.of(0xff)), field(2, tensorType(1, [1])))] },
      /a tensor's name is not UTF-8/,
    ],
  ] as const)("refuses %s", (_what, parts, reason) => {
    expect(refusalOf(parts)).toMatch(reason);
  });

  it("knows what people upload by mistake", () => {
    const text = (bytes: string): Uint8Array => new TextEncoder().encode(bytes);
    expect(refusal(text("PK\u0003\u0004 and so on"))).toBe(
      "this is a ZIP archive, as PyTorch and Keras write them: export the model as ONNX",
    );
    expect(refusal(text("<html>404</html>"))).toMatch(/this is HTML or XML/);
    expect(refusal(text("version https://git-lfs.github.com/spec/v1"))).toMatch(/a Git LFS pointer/);
  });

  it("refuses an empty file and one without a graph", () => {
    expect(refusal(new Uint8Array(0))).toBe("the file is empty");
    expect(refusal(field(1, 8))).toBe("not an ONNX model: the file holds no graph");
  });

  it("says of a cut file at which byte what is missing", () => {
    const bytes = onnx({ initializers: [tensor("w", [100])] });
    expect(refusal(bytes.subarray(0, 200))).toMatch(
      /^not a whole ONNX file: at byte \d+ of 200, the graph claims \d+ bytes where \d+ are left$/,
    );
  });
});

describe("what an exporter declares wrongly", () => {
  const classifier = (output: string) =>
    message(
      field(1, "x"),
      field(2, "label"),
      field(2, "scores"),
      field(4, output === "label" ? "TreeEnsembleClassifier" : "TreeEnsembleRegressor"),
      field(7, "ai.onnx.ml"),
    );
  const cast = message(field(1, "label"), field(2, "y"), field(4, "Cast"));

  it("is mended where the operator tells: a classifier has a label for each row", () => {
    const opsets = [
      ["", 17],
      ["ai.onnx.ml", 3],
    ] as const;
    const outputs = [value("y", tensorType(INT64, [1]))];
    expect(inspected(onnx({ opsets, nodes: [classifier("label"), cast], outputs })).outputs).toEqual([
      { name: "y", datatype: "INT64", shape: [-1] },
    ]);
    expect(inspected(onnx({ opsets, nodes: [classifier("value"), cast], outputs })).outputs[0]?.shape).toEqual([1]);
  });

  it("is refused where the runtime has no way: BFLOAT16 as input or output", () => {
    const BFLOAT16 = 16;
    expect(refusalOf({ outputs: [value("y", tensorType(BFLOAT16, ["n", 2]))] })).toBe(
      'output "y" has datatype BFLOAT16, which the runtime cannot take or give: export it with FLOAT there, for example after model.float()',
    );
  });
});
