import { describe, expect, it } from "@jest/globals";
import { CacheBlock } from "../../../../../edge-node/model-host/generate/cache-block.ts";

const SHAPE = { layers: 2, heads: 3, headSize: 4, cacheType: "FP32" } as const;
const PARTS = 2 * SHAPE.layers;

/** What a graph puts out for `count` tokens from the place `from` on: each number says its part, head and token. */
function made(from: number, count: number): Float32Array {
  const numbers: number[] = [];
  for (let part = 0; part < PARTS; part += 1)
    for (let head = 0; head < SHAPE.heads; head += 1)
      for (let at = 0; at < count; at += 1)
        for (let number = 0; number < SHAPE.headSize; number += 1)
          numbers.push(number + 10 * head + 100 * part + 1_000 * (from + at));
  return Float32Array.from(numbers);
}

/** A row of so many tokens. */
function blockOf(tokens: number): CacheBlock {
  const block = CacheBlock.empty(SHAPE);
  block.append(made(0, tokens), tokens, { hasRoom: true });
  return block;
}

/** The tokens of the block's first row. */
function read(block: CacheBlock): Float32Array {
  const width = block.lengthOf(0) * SHAPE.headSize;
  const heads = block.parts.flatMap((part) =>
    Array.from({ length: SHAPE.heads }, (_, head) => {
      const from = head * block.capacity * SHAPE.headSize;
      return [...part.subarray(from, from + width)];
    }),
  );
  return Float32Array.from(heads.flat());
}

describe("CacheBlock", () => {
  it("keeps tokens that are added piece by piece", () => {
    const block = blockOf(5);
    block.append(made(5, 1), 1, { hasRoom: true });
    block.append(made(6, 90), 90, { hasRoom: false });
    expect(read(block)).toEqual(made(0, 96));
    expect(block.capacity).toBe(96);
  });

  it("leaves a short text no more room after a long one than it grows by", () => {
    const block = blockOf(500);
    block.truncate(0, 20);
    expect(block.capacity).toBeLessThanOrEqual(20 + 64);
    expect(read(block)).toEqual(made(0, 20));
  });

  it("copies as much of a row as is wanted", () => {
    const copy = CacheBlock.of([{ block: blockOf(500), row: 0, length: 20 }]);
    expect([copy.lengthOf(0), copy.capacity]).toEqual([20, 20]);
    expect(read(copy)).toEqual(made(0, 20));
  });

  it("moves rows into other blocks, and frees the one that they were in", () => {
    const both = CacheBlock.of([
      { block: blockOf(70), row: 0 },
      { block: blockOf(90), row: 0 },
    ]);
    const parts = [...both.parts];
    const [first, second] = CacheBlock.move([[{ block: both, row: 1 }], [{ block: both, row: 0 }]]);
    expect(first && read(first)).toEqual(made(0, 90));
    expect(second && read(second)).toEqual(made(0, 70));
    expect(parts.map(({ length }) => length)).toEqual([0, 0, 0, 0]);
    expect([both.lengthOf(0), both.lengthOf(1), both.capacity]).toEqual([0, 0, 0]);
  });

  it("holds no part of what it moves twice but the one that it copies", () => {
    const block = blockOf(90);
    const held: number[] = [];
    const source = {
      block,
      get row() {
        held.push(block.parts.filter(({ length }) => length > 0).length);
        return 0;
      },
    };
    CacheBlock.move([[source]]);
    expect(held.slice(-PARTS)).toEqual([4, 3, 2, 1]);
  });

  it("leaves rows without tokens rather than with wrong ones when memory runs out", () => {
    const block = blockOf(90);
    expect(() => CacheBlock.move([[{ block, row: 0 }]], 2 ** 50)).toThrow(/Invalid typed array length/);
    expect([block.lengthOf(0), block.capacity]).toEqual([0, 0]);
    block.append(made(0, 2), 2, { hasRoom: true });
    expect(read(block)).toEqual(made(0, 2));
  });

  it("frees what it outgrows", () => {
    const block = blockOf(90);
    const parts = [...block.parts];
    block.append(made(90, 100), 100, { hasRoom: true });
    expect(read(block)).toEqual(made(0, 190));
    expect(parts.map(({ length }) => length)).toEqual([0, 0, 0, 0]);
  });

  it.each([1, 3])("refuses %i tokens where two were computed, and keeps what it has", (count) => {
    const block = blockOf(5);
    expect(() => block.append(made(5, count), 2, { hasRoom: true })).toThrow(/more or fewer keys and values/);
    expect(read(block)).toEqual(made(0, 5));
  });
});
