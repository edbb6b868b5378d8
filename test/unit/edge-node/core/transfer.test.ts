import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { encodeBitmap, TransferProgress } from "../../../../edge-node/core/transfer.ts";
import { chunksInBitmap, PushProgress } from "../../../../control-plane/core/transfer/push-progress.ts";
import type { ChunkRef } from "../../../../shared/protocol/model-files/manifest.ts";

const chunksOfLengths = (lengths: readonly number[]): readonly ChunkRef[] => {
  let offset = 0;
  return lengths.map((length, index) => {
    const ref = { index, file: 0, offset, length, sha256: "" };
    offset += length;
    return ref;
  });
};

const lengths = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 20 });

/** Sends one round with the control plane's own sender, until it ends or `cutAfter` bytes have travelled. */
function sendRound(
  progress: TransferProgress,
  chunks: readonly ChunkRef[],
  { cutAfter = Infinity, isBad = () => false }: { cutAfter?: number; isBad?: (chunk: number) => boolean } = {},
): { here: Map<number, number>; ended: boolean } {
  const { chunks: bitmap, partial } = progress.need();
  const missing = chunksInBitmap(Buffer.from(bitmap, "base64url"), chunks);
  if (!missing) throw new Error("the need is not a bitmap of these chunks");
  const sender = new PushProgress(1_000);
  sender.begin(missing, partial, Number.MAX_SAFE_INTEGER);
  const here = new Map<number, number>();
  for (let frame = sender.next(); frame; frame = sender.next()) {
    if (sender.totalSent > cutAfter) return { here, ended: false };
    const { chunk, offset, length, end } = frame;
    const verdict = progress.frame(chunk.index, offset, length);
    expect(verdict).toBe(offset + length === chunk.length ? "complete" : "written");
    here.set(chunk.index, offset + length);
    if (verdict === "complete") progress.verified(chunk.index, { isGood: !isBad(chunk.index) });
    if (end) return { here, ended: true };
  }
  return { here, ended: true };
}

describe("encodeBitmap", () => {
  it("comes back from the sender's decoder as the same set", () => {
    fc.assert(
      fc.property(lengths, fc.func(fc.boolean()), (sizes, isSet) => {
        const chunks = chunksOfLengths(sizes);
        const set = new Set(chunks.map(({ index }) => index).filter((index) => isSet(index)));
        const bitmap = Buffer.from(encodeBitmap(set, chunks.length), "base64url");
        expect(chunksInBitmap(bitmap, chunks)?.map(({ index }) => index)).toEqual([...set]);
      }),
    );
  });
});

describe("TransferProgress", () => {
  it("has every chunk once all rounds are through, wherever the socket was cut", () => {
    fc.assert(
      fc.property(lengths, fc.array(fc.nat({ max: 30_000 }), { maxLength: 6 }), (sizes, cuts) => {
        const chunks = chunksOfLengths(sizes);
        const total = sizes.reduce((sum, size) => sum + size, 0);
        const present = new Set<number>();
        let partial: { chunk: number; offset: number } | undefined;
        let travelled = 0;
        for (const cutAfter of [...cuts, Infinity]) {
          const progress = new TransferProgress(chunks, present, partial);
          if (progress.isComplete) break;
          const before = new Set(progress.missing);
          const { here } = sendRound(progress, chunks, { cutAfter });
          travelled += progress.receivedBytes;
          for (const index of before) if (!progress.missing.has(index)) present.add(index);
          const [first] = progress.missing;
          const offset =
            first === undefined ? undefined : (here.get(first) ?? (partial?.chunk === first ? partial.offset : 0));
          partial = first === undefined || offset === undefined ? undefined : { chunk: first, offset };
        }
        expect(present.size).toBe(chunks.length);
        expect(travelled).toBe(total); // not one byte twice
      }),
    );
  });

  it("counts what travelled and what was here so that both make up the artifact", () => {
    fc.assert(
      fc.property(lengths, fc.func(fc.boolean()), (sizes, isHere) => {
        const chunks = chunksOfLengths(sizes);
        const present = new Set(chunks.map(({ index }) => index).filter((index) => isHere(index)));
        const progress = new TransferProgress(chunks, present, undefined);
        if (!progress.isComplete) sendRound(progress, chunks);
        expect(progress.isComplete).toBe(true);
        expect(progress.receivedBytes + progress.reusedBytes).toBe(progress.totalBytes);
        expect(progress.doneBytes).toBe(progress.totalBytes);
      }),
    );
  });

  it("asks again for a damaged chunk and gives up at the third bad copy", () => {
    const chunks = chunksOfLengths([10, 20, 30]);
    const progress = new TransferProgress(chunks, new Set(), undefined);
    const isBad = (chunk: number): boolean => chunk === 1;
    sendRound(progress, chunks, { isBad });
    expect(progress.endRound()).toBe("again");
    expect([...progress.missing]).toEqual([1]);
    sendRound(progress, chunks, { isBad });
    expect(progress.endRound()).toBe("again");
    sendRound(progress, chunks, { isBad });
    expect(progress.endRound()).toBe("hopeless");
    expect(progress.receivedBytes).toBe(60 + 20 + 20);
  });

  it("is done when a damaged chunk's second copy is good", () => {
    const chunks = chunksOfLengths([10, 20]);
    const progress = new TransferProgress(chunks, new Set(), undefined);
    sendRound(progress, chunks, { isBad: (chunk) => chunk === 0 });
    expect(progress.endRound()).toBe("again");
    sendRound(progress, chunks);
    expect(progress.endRound()).toBe("all-here");
  });

  it("goes on inside a half-written first chunk, and starts it anew when it turns out bad", () => {
    const chunks = chunksOfLengths([100]);
    const progress = new TransferProgress(chunks, new Set(), { chunk: 0, offset: 40 });
    expect(progress.need().partial).toEqual({ chunk: 0, offset: 40 });
    expect(progress.frame(0, 40, 60)).toBe("complete");
    progress.verified(0, { isGood: false });
    expect(progress.endRound()).toBe("again");
    expect(progress.need().partial).toBeUndefined();
    expect(progress.frame(0, 0, 100)).toBe("complete");
  });

  it.each([
    ["a chunk that is here", 0, 0, 10],
    ["a chunk that does not exist", 9, 0, 10],
    ["bytes out of order", 1, 5, 5],
    ["bytes beyond the chunk's end", 1, 0, 21],
    ["nothing", 1, 0, 0],
  ])("calls %s broken", (_what, chunk, offset, length) => {
    const progress = new TransferProgress(chunksOfLengths([10, 20]), new Set([0]), undefined);
    progress.need();
    expect(progress.frame(chunk, offset, length)).toBe("broken");
  });

  it("refuses a chunk below the one it is at", () => {
    const progress = new TransferProgress(chunksOfLengths([10, 20]), new Set(), undefined);
    progress.need();
    expect(progress.frame(1, 0, 5)).toBe("written");
    expect(progress.frame(0, 0, 10)).toBe("broken");
  });

  it("counts a chunk that the sender left half-way as a bad copy", () => {
    const progress = new TransferProgress(chunksOfLengths([10]), new Set(), undefined);
    for (const verdict of ["again", "again", "hopeless"]) {
      progress.need();
      progress.frame(0, 0, 5);
      expect(progress.endRound()).toBe(verdict);
    }
  });
});
