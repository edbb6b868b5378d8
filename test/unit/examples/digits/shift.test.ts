import { describe, expect, it } from "@jest/globals";
import { shiftImage } from "../../../../examples/digits/shift.ts";

const IMAGE = [1, 2, 3, 4, 5, 6, 7, 8, 9];

function shifted(right: number, down: number): number[] {
  const target = new Float32Array(9).fill(-1);
  shiftImage(Float32Array.from(IMAGE), { right, down }, target);
  return [...target];
}

describe("shiftImage", () => {
  it("copies an image that does not move", () => {
    expect(shifted(0, 0)).toEqual(IMAGE);
  });

  it("moves right and down and fills with paper", () => {
    expect(shifted(1, 1)).toEqual([0, 0, 0, 0, 1, 2, 0, 4, 5]);
  });

  it("moves left and up and loses what leaves", () => {
    expect(shifted(-1, -2)).toEqual([8, 9, 0, 0, 0, 0, 0, 0, 0]);
  });
});
