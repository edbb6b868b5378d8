import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { crossEntropy, expOfNegative, softmaxInPlace } from "../../../../../examples/digits/network/softmax.ts";

describe("expOfNegative", () => {
  it("stays within three units in the last place of Math.exp", () => {
    fc.assert(
      fc.property(fc.double({ min: -700, max: 0, noNaN: true }), (x) => {
        expect(Math.abs(expOfNegative(x) / Math.exp(x) - 1)).toBeLessThanOrEqual(3 * 2 ** -53);
      }),
    );
  });

  it("gives the same bits on every machine", () => {
    expect([0, -0.5, -1, -20, -699.9].map(expOfNegative)).toEqual([
      1, 0.6065306597126334, 0.36787944117144233, 2.061153622438558e-9, 1.0896627777796162e-304,
    ]);
  });

  it("is zero where single precision has long been zero", () => {
    expect(expOfNegative(-701)).toBe(0);
    expect(expOfNegative(-Infinity)).toBe(0);
  });
});

describe("softmaxInPlace", () => {
  it("gives probabilities that sum to 1, however large the scores", () => {
    const score = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(score, { minLength: 1, maxLength: 12 }), (scores) => {
        const probabilities = Float64Array.from(scores);
        softmaxInPlace(probabilities);
        expect(probabilities.every((p) => p >= 0 && p <= 1)).toBe(true);
        expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
      }),
    );
  });

  it("shares equally between equal scores", () => {
    const probabilities = Float64Array.of(7, 7, 7, 7);
    softmaxInPlace(probabilities);
    expect([...probabilities]).toEqual([0.25, 0.25, 0.25, 0.25]);
  });
});

describe("crossEntropy", () => {
  it("is zero for certainty and stays finite for impossibility", () => {
    expect(crossEntropy(Float64Array.of(1, 0), 0)).toBeCloseTo(0, 12);
    expect(Number.isFinite(crossEntropy(Float64Array.of(1, 0), 1))).toBe(true);
  });
});
