import { describe, expect, it } from "@jest/globals";
import { endOf, withoutGap } from "../../../../../control-plane/adapters/artifacts/s3/upload-segments.ts";

const pieces = (...list: readonly (readonly [offset: number, bytes: number])[]) =>
  list.map(([offset, bytes]) => ({ key: String(offset), offset, bytes }));

describe("the chain of an upload's pieces", () => {
  it.each([
    ["nothing", [], 0],
    ["one piece", pieces([0, 5]), 5],
    ["pieces in any order", pieces([7, 3], [0, 5], [5, 2]), 10],
    ["pieces behind a gap, which do not count", pieces([0, 5], [6, 2]), 5],
    ["pieces that begin inside another, which do not count", pieces([0, 5], [3, 9], [5, 1]), 6],
    ["no first piece", pieces([5, 2]), 0],
    ["an empty piece, at which it ends", pieces([0, 5], [5, 0]), 5],
    ["objects that are none", [...pieces([0, 5]), { key: "notes.txt", offset: Number.NaN, bytes: 4 }], 5],
  ])("of %s", (_, found, end) => {
    expect(endOf(withoutGap(found))).toBe(end);
  });
});
