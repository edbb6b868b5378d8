import { describe, expect, it } from "@jest/globals";
import { bytesSource } from "../../../../../../control-plane/core/catalog/byte-source.ts";
import { editGraph } from "../../../../../../control-plane/core/catalog/onnx/graph-edit.ts";
import { inspectOnnx } from "../../../../../../control-plane/core/catalog/onnx/inspect.ts";
import { classifier, field, FLOAT, INT64, message, noise, onnx, tensor, tensorType, value } from "./onnx-bytes.ts";

const STRING = 8;
const x = value("x", tensorType(FLOAT, ["n", 2]));
const input = (name: string, datatype = FLOAT, shape = [1]) => value(name, tensorType(datatype, shape));

/** A model whose inputs `names` have initializers. */
const withDefaults = (inputs: readonly Uint8Array[], initializers: readonly Uint8Array[], irVersion = 8) =>
  onnx({ irVersion, inputs: [x, ...inputs], initializers });

/** A TensorProto whose values are in the field of their type. */
const typed = (name: string, datatype: number, dims: readonly number[], ...values: readonly Uint8Array[]) =>
  message(...dims.map((length) => field(1, length)), field(2, datatype), ...values, field(8, name));

const edit = (bytes: Uint8Array) => editGraph(bytesSource(bytes));
const hex = (base64: string): string => Buffer.from(base64, "base64").toString("hex");

describe("inputs with a default value", () => {
  it("lose it in the graph, keep it beside the graph, and are optional", () => {
    const bytes = withDefaults([input("w")], [tensor("w", [1], field(9, new Uint8Array(Float32Array.of(1.5).buffer)))]);
    const { pieces, defaults, constants, notes } = edit(bytes);
    expect(defaults.map(({ data, ...rest }) => ({ ...rest, data: hex(data) }))).toEqual([
      { name: "w", datatype: "FP32", shape: [1], data: "0000c03f" },
    ]);
    expect(notes).toEqual([]);
    const edited = message(
      ...(pieces ?? []).map((piece) => (piece instanceof Uint8Array ? piece : bytes.subarray(piece.from, piece.to))),
    );
    expect(edit(edited)).toMatchObject({ pieces: undefined, defaults: [] });
    expect(inspectOnnx(bytesSource(edited), new Map(), constants)).toMatchObject({
      kind: "model",
      model: {
        inputs: [{ name: "x" }, { name: "w", shape: [1], parameters: { optional: true } }],
        rows: { kind: "independent" },
      },
    });
  });

  it.each([
    [
      "floats",
      typed("w", FLOAT, [2], field(4, new Uint8Array(Float32Array.of(1, -2).buffer))),
      "FP32",
      "0000803f000000c0",
    ],
    ["whole numbers", typed("w", INT64, [2], field(7, 1), field(7, -2n)), "INT64", "0100000000000000feffffffffffffff"],
    ["flags", typed("w", 9, [2], field(5, 1), field(5, 0)), "BOOL", "0100"],
    ["texts", typed("w", STRING, [2], field(6, "ab"), field(6, "")), "BYTES", "02000000616200000000"],
  ])("are read from the field of their type: %s", (_, initializer, datatype, data) => {
    const { defaults } = edit(withDefaults([input("w", FLOAT, [2])], [initializer]));
    expect(defaults).toMatchObject([{ name: "w", datatype, shape: [2] }]);
    expect(hex(defaults[0]?.data ?? "")).toBe(data);
  });

  it.each([
    ["too large", tensor("w", [2_000]), "has more than 4096 bytes"],
    [
      "in another file",
      typed("w", FLOAT, [1], field(13, message(field(1, "location"), field(2, "w.bin"))), field(14, 1)),
      "lies in another file",
    ],
  ])("stay constants, with a note, when the value is %s", (_, initializer, why) => {
    const { pieces, defaults, notes } = edit(withDefaults([input("w")], [initializer]));
    expect([pieces, defaults]).toEqual([undefined, []]);
    expect(notes).toEqual([`input "w" has a default value that ${why}: it stays a constant and cannot be given`]);
  });

  it("are taken for weights when they are many, and in files from before IR 4", () => {
    const names = Array.from({ length: 17 }, (_, i) => `w${i}`);
    const inputs = names.map((name) => input(name));
    const initializers = names.map((name) => tensor(name, [1]));
    expect(edit(withDefaults(inputs, initializers))).toMatchObject({
      pieces: undefined,
      notes: [
        "17 inputs have a default value, more than 16: they are taken for weights, stay constants and cannot be given",
      ],
    });
    expect(edit(withDefaults(inputs.slice(0, 2), initializers.slice(0, 2), 3))).toMatchObject({
      pieces: undefined,
      notes: [],
    });
  });

  it("are found beside a ZipMap that is cut, and in no file that is damaged", () => {
    const bytes = classifier([0, 1]);
    expect(edit(bytes).classes.size).toBe(1);
    expect(edit(noise(5_000, 7))).toMatchObject({ pieces: undefined, defaults: [], notes: [] });
  });
});
