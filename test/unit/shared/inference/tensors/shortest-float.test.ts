import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { encodeJsonData } from "../../../../../shared/inference/tensors/json-tensor.ts";
import { shortestDoubles } from "../../../../../shared/inference/tensors/shortest-float.ts";

const textOf = (...floats: number[]): string =>
  encodeJsonData({ name: "y", datatype: "FP32", shape: [floats.length], data: Float32Array.from(floats) });

describe("FP32 in JSON", () => {
  it("is written with the digits that a person would write", () => {
    expect(textOf(0.1, -0.3, 1.1, 100.25, 1e-7, 3.4028233e38, 16_777_216, 0)).toBe(
      "[0.1,-0.3,1.1,100.25,1e-7,3.4028233e+38,16777216,0]",
    );
  });

  it("gives the same float when it is read again", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (float) => {
        const [double = Number.NaN] = shortestDoubles(Float32Array.of(float));
        expect(Math.fround(double)).toBe(float);
        expect(Math.abs(double)).toBeLessThanOrEqual((2 - 2 ** -23) * 2 ** 127);
      }),
      { numRuns: 2_000 },
    );
  });

  it("has the fewest digits that do", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999 }), fc.integer({ min: -12, max: 6 }), (digits, exponent) => {
        const decimal = Number(`${digits}e${exponent}`);
        const [double] = shortestDoubles(Float32Array.of(decimal));
        expect(double).toBe(decimal);
      }),
      { numRuns: 2_000 },
    );
  });

  it("reads the numbers where they lie, also in the middle of other bytes", () => {
    const all = Float32Array.of(9, 0.1, 0.2, 9);
    expect([...shortestDoubles(all.subarray(1, 3))]).toEqual([0.1, 0.2]);
  });
});
