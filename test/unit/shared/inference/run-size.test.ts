import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import {
  isBeyond,
  isWithin,
  type RunSize,
  sizeOf,
  withLargest,
  withSmallest,
} from "../../../../shared/inference/run-size.ts";

const ids = (...shape: number[]): Tensor => ({ name: "ids", datatype: "INT64", shape, data: new BigInt64Array(0) });
const size = (...shape: number[]): RunSize => ({ shapes: { ids: shape }, outputs: ["y"] });
const shape = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }));

describe("RunSize", () => {
  it("tells the size of tensors of numbers, and none of texts", () => {
    expect(sizeOf([ids(32, 128)], ["y"])).toEqual(size(32, 128));
    expect(sizeOf([{ name: "t", datatype: "BYTES", shape: [1], data: ["a"] }], ["y"])).toBeUndefined();
  });

  it("is beyond another one that is no larger in any dimension", () => {
    expect(isBeyond([ids(32, 128)], ["y"], size(32, 128))).toBe(true);
    expect(isBeyond([ids(40, 200)], ["y"], size(32, 128))).toBe(true);
    expect(isBeyond([ids(64, 64)], ["y"], size(32, 128))).toBe(false);
  });

  it("is not compared with a run of other inputs, of another rank, or of more outputs", () => {
    expect(isBeyond([ids(64, 256), { ...ids(1), name: "w" }], ["y"], size(32, 128))).toBe(false);
    expect(isBeyond([ids(64, 256, 1)], ["y"], size(32, 128))).toBe(false);
    expect(isBeyond([ids(64, 256)], ["z"], size(32, 128))).toBe(false);
    expect(isWithin([ids(1, 1)], ["y", "z"], size(32, 128))).toBe(false);
  });

  it("is within one exactly when that one is beyond it", () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        expect(isWithin([ids(...a)], ["y"], size(...b))).toBe(isBeyond([ids(...b)], ["y"], size(...a)));
      }),
    );
  });
});

describe("withSmallest and withLargest", () => {
  it("keep what says most, and never more than the limit", () => {
    fc.assert(
      fc.property(fc.array(shape, { maxLength: 40 }), shape, (shapes, asked) => {
        const smallest = shapes.reduce<readonly RunSize[]>((sizes, each) => withSmallest(sizes, size(...each), 64), []);
        const largest = shapes.reduce<readonly RunSize[]>((sizes, each) => withLargest(sizes, size(...each), 64), []);
        const inputs = [ids(...asked)];
        expect(smallest.some((each) => isBeyond(inputs, ["y"], each))).toBe(
          shapes.some((each) => isBeyond(inputs, ["y"], size(...each))),
        );
        expect(largest.some((each) => isWithin(inputs, ["y"], each))).toBe(
          shapes.some((each) => isWithin(inputs, ["y"], size(...each))),
        );
      }),
    );
    const many = Array.from({ length: 10 }, (_, i) => size(i + 1, 10 - i));
    expect(many.reduce<readonly RunSize[]>((sizes, each) => withSmallest(sizes, each, 3), [])).toEqual(many.slice(-3));
  });
});
