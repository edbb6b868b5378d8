import { describe, expect, it } from "@jest/globals";
import { normalized, pooled, shortened } from "../../../../../edge-node/model-host/embed/pooling.ts";
import type { Pooling } from "../../../../../shared/text/encoder-model.ts";

// Two texts of three places: the first has two tokens and padding, the second three.
const vectors = {
  data: Float32Array.of(1, -4, 3, 2, 100, 100, 0, 0, 6, 3, 3, -6),
  padded: 3,
  width: 2,
};
const first = (pooling: Pooling): number[] => [...pooled(vectors, 0, { tokens: 2, pooling })];

describe("pooling", () => {
  it.each([
    ["mean", [2, -1]],
    ["cls", [1, -4]],
    ["max", [3, 2]],
    ["lasttoken", [3, 2]],
    ["mean_sqrt_len_tokens", [4 / Math.SQRT2, -2 / Math.SQRT2]],
    ["weightedmean", [7 / 3, 0]],
  ] as const)("takes the %s over the tokens, and nothing of the padding", (pooling, expected) => {
    first(pooling).forEach((value, at) => expect(value).toBeCloseTo(expected[at] ?? Number.NaN, 6));
  });

  it("takes the row of each text", () => {
    expect([...pooled(vectors, 1, { tokens: 3, pooling: "mean" })]).toEqual([3, -1]);
  });

  it("gives an embedding the length 1, and leaves zeros", () => {
    expect([...normalized(Float32Array.of(3, 4))]).toEqual([Math.fround(0.6), Math.fround(0.8)]);
    expect([...normalized(Float32Array.of(0, 0))]).toEqual([0, 0]);
  });

  it("gives a shortened embedding its length again where the model normalizes", () => {
    const embedding = Float32Array.of(3, 4, 12);
    expect([...shortened(embedding, 2, { normalizes: false })]).toEqual([3, 4]);
    expect([...shortened(embedding, 2, { normalizes: true })]).toEqual([Math.fround(0.6), Math.fround(0.8)]);
    expect(shortened(embedding, undefined, { normalizes: true })).toBe(embedding);
  });
});
