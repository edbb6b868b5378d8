import { describe, expect, it } from "@jest/globals";
import { bytesSource, type ByteSource } from "../../../../../../control-plane/core/catalog/byte-source.ts";
import { inspectOnnx } from "../../../../../../control-plane/core/catalog/onnx/inspect.ts";
import { editGraph } from "../../../../../../control-plane/core/catalog/onnx/graph-edit.ts";
import { classifier, field, FLOAT, message, noise, onnx, tensorType, value, zipMap } from "./onnx-bytes.ts";

/** The edited file; undefined when nothing is cut. */
function edited(bytes: Uint8Array): ByteSource | undefined {
  const { pieces } = editGraph(bytesSource(bytes));
  return (
    pieces &&
    bytesSource(
      message(...pieces.map((piece) => (piece instanceof Uint8Array ? piece : bytes.subarray(piece.from, piece.to)))),
    )
  );
}

describe("the cut of a final ZipMap", () => {
  it.each([
    ["whole numbers", [0, 1, 7]],
    ["texts", ["setosa", "versicolor", "virginica"]],
  ])("makes a tensor of the output, with classes that are %s", (_, classes) => {
    const bytes = classifier(classes);
    expect(inspectOnnx(bytesSource(bytes))).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining("sequence"),
    });
    expect(editGraph(bytesSource(bytes)).classes).toEqual(new Map([["probabilities", classes]]));
    const source = edited(bytes);
    if (!source) throw new Error("nothing was cut");
    expect(inspectOnnx(source)).toMatchObject({
      kind: "model",
      model: {
        opset: 13,
        inputs: [{ name: "x", shape: [-1, 3] }],
        outputs: [
          { name: "probabilities", datatype: "FP32", shape: [-1, 3] },
          { name: "y", datatype: "FP32", shape: [-1, 3] },
        ],
      },
    });
    expect(editGraph(source).pieces).toBeUndefined();
  });

  it("imports the operators of Identity when the model imports none of ai.onnx", () => {
    const source = edited(classifier([0, 1, 2], { opsets: [["ai.onnx.ml", 2]] }));
    expect(source && inspectOnnx(source)).toMatchObject({ kind: "model", model: { opset: 13 } });
  });

  it("leaves everything else as it is", () => {
    const inner = onnx({
      nodes: [zipMap("x", "maps", [0, 1])],
      inputs: [value("x", tensorType(FLOAT, ["N", 2]))],
      outputs: [value("y", tensorType(FLOAT, ["N", 2]))],
    });
    expect(editGraph(bytesSource(inner)).pieces).toBeUndefined();
    expect(editGraph(bytesSource(onnx())).pieces).toBeUndefined();
    expect(editGraph(bytesSource(noise(10_000, 3))).pieces).toBeUndefined();
    expect(editGraph(bytesSource(message(field(1, 8)))).pieces).toBeUndefined();
    expect(inspectOnnx(bytesSource(classifier([])))).toMatchObject({
      reason: expect.stringContaining("options={'zipmap': False}"),
    });
  });
});
