import { describe, expect, it } from "@jest/globals";
import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import { isDoubtful, isInDoubt, measured } from "../../../../shared/inference/measure-doubt.ts";

const output = (rows: readonly (readonly number[])[]): Tensor => ({
  name: "scores",
  datatype: "FP32",
  shape: [rows.length, rows[0]?.length ?? 0],
  data: Float32Array.from(rows.flat()),
});

describe("the doubt of an answer", () => {
  it.each([
    ["margin", [0.7, 0.2, 0.1], 0.5],
    ["confidence", [0.7, 0.2, 0.1], 0.7],
    ["entropy", [0.5, 0.5, 0], Math.log(2)],
    ["entropy", [1, 0, 0], 0],
    ["energy", [0, 0], -Math.log(2)],
    ["energy", [1_000, 0], -1_000],
    ["confidence", [1_000, 0], 1],
    ["margin", [3, 3, -9], 0],
    ["margin", [0.9], 0.8],
    ["confidence", [-2.2], 0.9],
  ] as const)("is measured by %s of %j", (measure, scores, value) => {
    expect(measured(scores, measure)).toBeCloseTo(value, 3);
  });

  it("is below the threshold of a margin or confidence, above that of entropy or energy, and where there is no number", () => {
    const inDoubt = (value: number, measure: "margin" | "entropy") => isInDoubt(value, { measure, threshold: 0.5 });
    expect([inDoubt(0.4, "margin"), inDoubt(0.5, "margin"), inDoubt(NaN, "margin")]).toEqual([true, false, true]);
    expect([inDoubt(0.6, "entropy"), inDoubt(0.5, "entropy"), inDoubt(NaN, "entropy")]).toEqual([true, false, true]);
  });

  it("is that of any row", () => {
    const doubt = { measure: "margin", threshold: 0.3 } as const;
    expect(isDoubtful(output([[0.9, 0.1]]), doubt)).toBe(false);
    expect(
      isDoubtful(
        output([
          [0.9, 0.1],
          [0.6, 0.4],
        ]),
        doubt,
      ),
    ).toBe(true);
  });
});
