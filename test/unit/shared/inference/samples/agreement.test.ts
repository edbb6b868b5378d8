import { describe, expect, it } from "@jest/globals";
import type { Tensor } from "../../../../../shared/inference/tensors/datatypes.ts";
import { AgreementCount } from "../../../../../shared/inference/samples/agreement.ts";

const floats = (shape: readonly number[], ...data: readonly number[]): Tensor => ({
  name: "y",
  datatype: "FP32",
  shape,
  data: Float32Array.from(data),
});
const labels = (...data: readonly string[]): Tensor => ({
  name: "label",
  datatype: "BYTES",
  shape: [data.length],
  data: [...data],
});

function compared(...pairs: readonly (readonly [readonly Tensor[], readonly Tensor[]])[]) {
  const count = new AgreementCount();
  for (const [one, two] of pairs) count.add(one, two);
  return count.result;
}

describe("the agreement of two models", () => {
  it("counts the rows whose largest number is in the same column, and the largest difference", () => {
    const found = compared(
      [[floats([2, 2], 1, 0, 0, 1)], [floats([2, 2], 0.75, 0, 0, 1)]],
      [[floats([2, 2], 1, 0, 0, 1)], [floats([2, 2], 1, 0, 0.5, 0.25)]],
    );
    expect(found).toEqual({ samples: 4, agreement: 0.75, maxDifference: 0.75 });
  });

  it("takes the first of equal numbers", () => {
    expect(compared([[floats([1, 2], 1, 1)], [floats([1, 2], 1, 0)]]).agreement).toBe(1);
  });

  it("compares labels whole, and a row agrees when all its decisions do", () => {
    const scores = floats([2, 2], 1, 0, 1, 0);
    expect(
      compared([
        [scores, labels("a", "b")],
        [scores, labels("a", "c")],
      ]),
    ).toEqual({
      samples: 2,
      agreement: 0.5,
      maxDifference: 0,
    });
  });

  it.each([
    ["one column", floats([2, 1], 1, 2), floats([2, 1], 1, 1.5)],
    ["more than two dimensions", floats([1, 1, 2], 0, 1), floats([1, 1, 2], 0.5, 1)],
  ])("finds no decision in numbers of %s", (_, one, two) => {
    expect(compared([[one], [two]])).toEqual({ samples: one.shape[0], agreement: null, maxDifference: 0.5 });
  });

  it.each([
    ["another shape", floats([1, 3], 1, 0, 0)],
    ["a number that is not finite", floats([1, 2], Number.NaN, 0)],
  ])("has no difference for %s", (_, other) => {
    expect(compared([[floats([1, 2], 1, 0)], [other]]).maxDifference).toBeNull();
  });

  const sound = floats([1, 2], 1, 0);
  it.each<[string, Tensor, Tensor, string]>([
    ["another shape", sound, floats([1, 3], 1, 0, 0), 'output "y" is [1, 3], and of the reference [1, 2]'],
    ["no number", sound, floats([1, 2], Number.NaN, 0), 'output "y" has NaN where the reference has 1'],
    ["a number for none", floats([1, 2], 1, Number.NaN), sound, 'output "y" has 0 where the reference has NaN'],
    ["an infinite one", sound, floats([1, 2], 1, -Infinity), 'output "y" has -Infinity where the reference has 0'],
    [
      "a name that breaks lines",
      { ...sound, name: 'a"\n\u001b[31m' },
      floats([1, 3], 1, 0, 0),
      String.raw`output "a\"\n\u001b[31m" is [1, 3], and of the reference [1, 2]`,
    ],
  ])("says which sample and output has %s first", (_, one, other, why) => {
    expect(compared([[sound], [sound]], [[one], [other]], [[sound], [floats([1, 4], 1, 2, 3, 4)]]).fault).toBe(
      `sample 1: ${why}`,
    );
  });

  it("takes equal infinities for equal", () => {
    expect(compared([[floats([1, 2], Infinity, 0)], [floats([1, 2], Infinity, 0)]]).maxDifference).toBe(0);
  });
});
