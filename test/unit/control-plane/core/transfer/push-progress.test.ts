import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { planOffers } from "../../../../../control-plane/core/transfer/plan-offers.ts";
import { chunksInBitmap, PushProgress } from "../../../../../control-plane/core/transfer/push-progress.ts";
import type { ChunkRef } from "../../../../../shared/protocol/model-files/manifest.ts";
import type { PlacementId } from "../../../../../shared/base/ids.ts";
import { aFleet, aNode, aPlacement, aVersion, NOW } from "../../../../support/fleet/fleet-builder.ts";

const KIB = 1_024;

const chunksOfLengths = (lengths: readonly number[]): readonly ChunkRef[] => {
  let offset = 0;
  return lengths.map((length, index) => {
    const ref = { index, file: 0, offset, length, sha256: "" };
    offset += length;
    return ref;
  });
};

describe("PushProgress", () => {
  it("sends every missing byte once, in order, and never beyond the credit", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 1_024 * KIB }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 64 * KIB, max: 4_096 * KIB }), fc.nat(), (sizes, window, cut) => {
        const chunks = chunksOfLengths(sizes);
        const partialOffset = cut % (sizes[0] ?? 1);
        const progress = new PushProgress(1_024 * KIB);
        progress.begin(chunks, { chunk: 0, offset: partialOffset }, window);
        let sent = 0;
        let durable = 0;
        let at = { chunk: 0, offset: partialOffset };
        let ended = false;
        while (!ended) {
          const frame = progress.next();
          if (!frame) {
            expect(durable).toBeLessThan(sent);
            durable = sent;
            progress.credit(durable, window);
            continue;
          }
          sent += frame.length;
          expect(sent - durable).toBeLessThanOrEqual(window);
          expect({ chunk: frame.chunk.index, offset: frame.offset }).toEqual(at);
          const isChunkDone = frame.offset + frame.length === frame.chunk.length;
          at = isChunkDone ? { chunk: at.chunk + 1, offset: 0 } : { chunk: at.chunk, offset: at.offset + frame.length };
          ended = frame.end;
        }
        expect(sent).toBe(sizes.reduce((sum, size) => sum + size, 0) - partialOffset);
        expect(progress.totalSent).toBe(sent);
        expect(progress.next()).toBeUndefined();
      }),
    );
  });

  it("waits for credit, and ignores credit that falls or that runs ahead of what was sent", () => {
    const progress = new PushProgress(64 * KIB);
    progress.begin(chunksOfLengths([256 * KIB]), undefined, 64 * KIB);
    for (let frame = 0; frame < 4; frame += 1) expect(progress.next()).toMatchObject({ length: 16 * KIB });
    expect(progress.next()).toBeUndefined();
    progress.credit(999 * KIB, 64 * KIB);
    for (let frame = 0; frame < 4; frame += 1) expect(progress.next()).toBeDefined();
    progress.credit(16 * KIB, 64 * KIB);
    expect(progress.next()).toBeUndefined();
  });

  it("begins a new round with what arrived damaged", () => {
    const chunks = chunksOfLengths([10, 20, 30]);
    const progress = new PushProgress(KIB);
    progress.begin(chunks, undefined, 64 * KIB);
    while (progress.next());
    progress.begin(chunks.slice(1, 2), undefined, 64 * KIB);
    expect(progress.next()).toMatchObject({ chunk: { index: 1 }, offset: 0, length: 20, end: true });
  });
});

describe("chunksInBitmap", () => {
  const chunks = chunksOfLengths([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);

  it("reads bit i, most significant bit first, as chunk i", () => {
    expect(chunksInBitmap(Uint8Array.of(0b1000_0001, 0b0100_0000), chunks)?.map(({ index }) => index)).toEqual([
      0, 7, 9,
    ]);
  });

  it("refuses a bitmap of another length or with bits beyond the last chunk", () => {
    expect(chunksInBitmap(Uint8Array.of(0), chunks)).toBeUndefined();
    expect(chunksInBitmap(Uint8Array.of(0, 0b0010_0000), chunks)).toBeUndefined();
  });
});

describe("planOffers", () => {
  const node = aNode("edge-a");
  const versions = [aVersion("digits", 1), aVersion("ocr", 4, { artifact: `sha256:${"f".repeat(64)}` })];
  const first = aPlacement(node, { id: "p-1" as PlacementId, state: "offered", decidedAt: NOW - 20 });
  const second = aPlacement(node, {
    id: "p-2" as PlacementId,
    model: "ocr",
    version: 4,
    state: "offered",
    decidedAt: NOW - 10,
  });
  const fleet = aFleet({ nodes: [node], versions, placements: [second, first] });
  const target = {
    nodeId: node.id,
    waiting: new Set(["p-1", "p-2"]),
    isReceiving: false,
    notBefore: new Map<string, number>(),
  };

  it("offers one artifact to a node, the one decided first", () => {
    expect(planOffers(fleet, [target], NOW).map(({ placements }) => placements)).toEqual([["p-1"]]);
  });

  it("offers nothing to a node that is receiving or that waits for nothing", () => {
    expect(planOffers(fleet, [{ ...target, isReceiving: true }], NOW)).toEqual([]);
    expect(planOffers(fleet, [{ ...target, waiting: new Set() }], NOW)).toEqual([]);
  });

  it("passes over an artifact that the node refused for now", () => {
    const notBefore = new Map([[String(versions[0]?.artifact), NOW + 1_000]]);
    expect(planOffers(fleet, [{ ...target, notBefore }], NOW).map(({ placements }) => placements)).toEqual([["p-2"]]);
    expect(planOffers(fleet, [{ ...target, notBefore }], NOW + 1_000).map(({ placements }) => placements)).toEqual([
      ["p-1"],
    ]);
  });

  it("names all placements that one artifact serves", () => {
    const twin = aPlacement(node, { id: "p-3" as PlacementId, deployment: "other", state: "offered", decidedAt: NOW });
    const both = aFleet({ nodes: [node], versions, placements: [first, twin] });
    const offers = planOffers(both, [{ ...target, waiting: new Set(["p-1", "p-3"]) }], NOW);
    expect(offers.map(({ placements }) => placements)).toEqual([["p-1", "p-3"]]);
  });
});
