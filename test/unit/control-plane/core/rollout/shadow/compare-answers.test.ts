import { describe, expect, it } from "@jest/globals";
import { compareAnswers } from "../../../../../../control-plane/core/rollout/shadow/compare-answers.ts";
import type { Tensor } from "../../../../../../shared/inference/tensors/datatypes.ts";

const scores = (shape: readonly number[], ...values: readonly number[]): Tensor => ({
  name: "scores",
  datatype: "FP32",
  shape,
  data: new Float32Array(values),
});
const labels = (...values: readonly bigint[]): Tensor => ({
  name: "label",
  datatype: "INT64",
  shape: [values.length],
  data: new BigInt64Array(values),
});
const words = (...values: string[]): Tensor => ({
  name: "word",
  datatype: "BYTES",
  shape: [values.length],
  data: values,
});

describe("compareAnswers", () => {
  it("finds answers alike whose rows have their largest value at the same place", () => {
    const old = scores([2, 3], 0.5, 0.25, 0.25, 0, 1, 0);
    expect(compareAnswers([old], [scores([2, 3], 0.75, 0.25, 0, 0.125, 0.875, 0)])).toEqual({
      agrees: true,
      difference: 0.25,
    });
    expect(compareAnswers([old], [scores([2, 3], 0.5, 0.25, 0.25, 0, 0.25, 0.75)])).toEqual({
      agrees: false,
      difference: 0.75,
    });
  });

  it("holds labels and texts to what they are", () => {
    expect(compareAnswers([labels(7n)], [labels(7n)])).toEqual({ agrees: true, difference: 0 });
    expect(compareAnswers([labels(7n)], [labels(9n)])).toEqual({ agrees: false, difference: 2 });
    expect(compareAnswers([words("seven")], [words("seven")])).toEqual({ agrees: true, difference: 0 });
    expect(compareAnswers([words("seven")], [words("nine")])).toEqual({ agrees: false, difference: 0 });
  });

  it("only measures floats of one column and of one axis", () => {
    for (const shape of [[2, 1], [2]])
      expect(compareAnswers([scores(shape, 1, 2)], [scores(shape, 2, 1)])).toEqual({ agrees: true, difference: 1 });
  });

  it("tells a value that is no number from one that is", () => {
    expect(compareAnswers([scores([1, 2], NaN, 1)], [scores([1, 2], NaN, 1)]).agrees).toBe(true);
    expect(compareAnswers([scores([1, 2], 0, 1)], [scores([1, 2], NaN, 1)])).toEqual({ agrees: false, difference: 0 });
    expect(compareAnswers([scores([1], 0)], [scores([1], NaN)]).agrees).toBe(false);
    for (const [was, is, agrees] of [
      [1, Infinity, false],
      [Infinity, -Infinity, false],
      [Infinity, Infinity, true],
    ] as const)
      expect(compareAnswers([scores([2], 0, was)], [scores([2], 0, is)])).toEqual({ agrees, difference: 0 });
  });

  it("finds answers with other outputs, shapes or kinds of values different", () => {
    const old = scores([1, 2], 0, 1);
    expect(compareAnswers([old], []).agrees).toBe(false);
    expect(compareAnswers([old], [old, labels(1n)]).agrees).toBe(false);
    expect(compareAnswers([old], [{ ...old, name: "logits" }]).agrees).toBe(false);
    expect(compareAnswers([old], [scores([2, 1], 0, 1)]).agrees).toBe(false);
    expect(compareAnswers([old], [{ ...words("a", "b"), name: "scores", shape: [1, 2] }]).agrees).toBe(false);
  });

  it("compares floats of different precision", () => {
    const half: Tensor = { name: "scores", datatype: "FP64", shape: [1, 2], data: new Float64Array([0, 1]) };
    expect(compareAnswers([scores([1, 2], 0, 1)], [half])).toEqual({ agrees: true, difference: 0 });
  });
});
