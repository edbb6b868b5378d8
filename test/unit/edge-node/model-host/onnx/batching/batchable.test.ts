import { describe, expect, it } from "@jest/globals";
import { whySignatureForbids } from "../../../../../../edge-node/model-host/onnx/batching/batchable.ts";

const tensor = (name: string, shape: readonly number[]) => ({ name, datatype: "FP32", shape });

describe("whySignatureForbids", () => {
  it("lets stacks of rows share a run, whatever a row is", () => {
    expect(
      whySignatureForbids({
        inputs: [tensor("image", [-1, 3, -1, -1]), tensor("mask", [-1])],
        outputs: [tensor("labels", [-1, 10])],
      }),
    ).toBeUndefined();
  });

  it.each([
    [
      "a batch size that was exported",
      [tensor("x", [1, 784])],
      [tensor("y", [-1, 10])],
      'the first dimension of input "x" is fixed to 1',
    ],
    [
      "an output for the whole run",
      [tensor("x", [-1, 784])],
      [tensor("y", [2, 10])],
      'the first dimension of output "y" is fixed to 2',
    ],
    [
      "a switch beside the rows",
      [tensor("x", [-1, 4]), tensor("gain", [])],
      [tensor("y", [-1, 4])],
      'input "gain" is a scalar, or its shape is not told',
    ],
    [
      "a state beside the rows",
      [tensor("x", [-1, 4]), tensor("state", [2, -1, 64])],
      [tensor("y", [-1, 4])],
      'the first dimension of input "state" is fixed to 2',
    ],
    [
      "an output of unknown shape",
      [tensor("x", [-1, 4])],
      [tensor("y", [])],
      'output "y" is a scalar, or its shape is not told',
    ],
    ["no input at all", [], [tensor("y", [-1])], "the model has no inputs"],
  ])("forbids it for %s", (_what, inputs, outputs, why) => {
    expect(whySignatureForbids({ inputs, outputs })).toBe(why);
  });
});
