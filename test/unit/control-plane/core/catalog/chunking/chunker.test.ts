import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  Chunker,
  MAX_CHUNK_BYTES,
  MIN_CHUNK_BYTES,
} from "../../../../../../control-plane/core/catalog/chunking/chunker.ts";
import { message, noise } from "../onnx/onnx-bytes.ts";

const MIB = 1024 * 1024;
const file = fc
  .record({ length: fc.integer({ min: 0, max: 4 * MIB }), seed: fc.nat() })
  .map(({ length, seed }) => noise(length, seed));

/** All cuts of `bytes`, pushed in blocks whose lengths are taken in turn. */
function cutsOf(bytes: Uint8Array, blocks: readonly number[] = [MIB]): readonly number[] {
  const chunker = new Chunker();
  const cuts: number[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = blocks[turn % blocks.length] ?? MIB;
    cuts.push(...chunker.push(bytes.subarray(at, at + length)));
    at += length;
  }
  const last = chunker.finish();
  return last === undefined ? cuts : [...cuts, last];
}

const lengths = (cuts: readonly number[]): readonly number[] => cuts.map((cut, index) => cut - (cuts[index - 1] ?? 0));

const pieces = (bytes: Uint8Array): readonly string[] => {
  const cuts = cutsOf(bytes);
  return cuts.map((cut, index) =>
    createHash("sha256")
      .update(bytes.subarray(cuts[index - 1] ?? 0, cut))
      .digest("hex"),
  );
};

describe("the chunker", () => {
  it("covers the input exactly, each chunk within the bounds but the last, which may be shorter", () => {
    fc.assert(
      fc.property(file, (bytes) => {
        const all = lengths(cutsOf(bytes));
        expect(all.reduce((sum, length) => sum + length, 0)).toBe(bytes.length);
        expect(all.every((length) => length > 0 && length <= MAX_CHUNK_BYTES)).toBe(true);
        expect(all.slice(0, -1).every((length) => length >= MIN_CHUNK_BYTES)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it("cuts at the same places whatever the sizes of the blocks", () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1_000, max: 2 * MIB })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(file, sizes, (bytes, blocks) => {
        const tooSmall = blocks.reduce((sum, size) => sum + size, 0) < 5_000 * blocks.length; // millions of blocks take minutes
        expect(cutsOf(bytes, tooSmall ? [...blocks, 20_000 * blocks.length] : blocks)).toEqual(cutsOf(bytes));
      }),
      { numRuns: 30 },
    );
  });

  it("cuts at the same places byte by byte", () => {
    const bytes = noise(MIB / 2, 5);
    expect(cutsOf(bytes, [1])).toEqual(cutsOf(bytes));
  });

  it("keeps nearly all chunks when some bytes change, come or go", () => {
    const edit = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      removed: fc.nat(2_000),
      inserted: fc.nat(2_000),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(edit, ({ at, removed, inserted, seed }) => {
        const before = noise(6 * MIB, seed);
        const place = Math.floor(at * before.length);
        const after = message(before.subarray(0, place), noise(inserted, seed + 1), before.subarray(place + removed));
        const known = new Set(pieces(before));
        expect(pieces(after).filter((piece) => !known.has(piece)).length).toBeLessThanOrEqual(8); // of 1,500 edits 98.4 % changed one, the worst five
      }),
      { numRuns: 25 },
    );
  });

  it("makes chunks of about 256 KiB of random bytes", () => {
    const cuts = cutsOf(noise(64 * MIB, 1));
    const meanKiB = (64 * MIB) / cuts.length / 1024;
    expect(meanKiB).toBeGreaterThan(230);
    expect(meanKiB).toBeLessThan(290);
  });

  it("cuts bytes that never change at the longest length", () => {
    expect(lengths(cutsOf(new Uint8Array(3 * MIB + 5)))).toEqual([MIB, MIB, MIB, 5]);
  });

  it("finds no chunk in an empty stream", () => {
    expect(cutsOf(new Uint8Array(0))).toEqual([]);
  });

  it("cuts a known file where it always did, or nodes would fetch every model anew", () => {
    expect(cutsOf(noise(2 * MIB, 42))).toEqual([
      408_453, 824_247, 1_162_753, 1_475_444, 1_653_187, 2_017_405, 2_097_152,
    ]);
  });
});
