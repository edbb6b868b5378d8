import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { handLimit, isWorthStarting, refusalOf, type QueueView } from "../../../../edge-node/core/admission.ts";

const ROOM = { heldBytes: 0, maxBytes: 1_000 };
const EDGE = { kind: "edge", isDraining: false, ...ROOM } as const;
const slow: QueueView = { inFlight: 0, ahead: 0, slots: 1, meanMs: 15, batch: 1, queueLimit: 64 };
const ask = { edgeOnly: false, deadlineMs: 250, bytes: 100 };
const holding = (count: number): QueueView => ({ ...slow, inFlight: count, ahead: count });
const FULL = { status: 429, code: "QUEUE_FULL" };

describe("admission", () => {
  it("takes what can be answered in four fifths of its time behind those that are there", () => {
    expect(refusalOf(ask, EDGE, holding(12))).toBeUndefined();
    expect(refusalOf(ask, EDGE, holding(13))).toEqual({ ...FULL, full: "time" });
    expect(refusalOf({ ...ask, deadlineMs: 1_000 }, EDGE, holding(13))).toBeUndefined();
    expect(refusalOf(ask, EDGE, { ...holding(13), slots: 2 })).toBeUndefined();
  });

  it("takes 32 callers of a model of 5 ms that have a second", () => {
    expect(refusalOf({ ...ask, deadlineMs: 1_000 }, EDGE, { ...holding(31), meanMs: 5 })).toBeUndefined();
  });

  it("counts a run whose callers have all gone", () => {
    expect(refusalOf({ ...ask, deadlineMs: 30 }, EDGE, { ...slow, inFlight: 0, ahead: 1 })).toEqual({
      ...FULL,
      full: "time",
    });
  });

  it("always takes one for an idle placement, however slow it was lately", () => {
    expect(refusalOf(ask, EDGE, { ...slow, meanMs: 60_000 })).toBeUndefined();
  });

  it("never holds more than the placement's queue and slots", () => {
    fc.assert(
      fc.property(fc.nat(16), fc.nat(64), fc.nat(1e6), (slots, queueLimit, deadlineMs) => {
        const queue = { ...slow, slots: slots + 1, meanMs: 0, queueLimit, inFlight: slots + 1 + queueLimit, ahead: 1 };
        expect(refusalOf({ ...ask, deadlineMs }, EDGE, queue)).toEqual({ ...FULL, full: "count" });
        expect(refusalOf({ ...ask, deadlineMs }, EDGE, { ...queue, inFlight: queue.inFlight - 1 })).toBeUndefined();
      }),
    );
  });

  it("never holds more bytes than the node may, but for one body on an idle node", () => {
    expect(refusalOf(ask, { ...EDGE, heldBytes: 900 }, slow)).toBeUndefined();
    expect(refusalOf(ask, { ...EDGE, heldBytes: 901 }, slow)).toEqual({ ...FULL, full: "bytes" });
    expect(refusalOf({ ...ask, bytes: 2_000 }, EDGE, slow)).toBeUndefined();
  });

  it("refuses a placement that is not served here", () => {
    expect(refusalOf(ask, EDGE, undefined)).toEqual({ status: 404, code: "MODEL_NOT_READY" });
  });

  it("refuses everything while the node drains", () => {
    expect(refusalOf(ask, { ...EDGE, isDraining: true }, slow)).toEqual({ status: 503, code: "DRAINING" });
  });

  it("refuses an edge-only request on a cloud node before it looks at anything else", () => {
    expect(refusalOf({ ...ask, edgeOnly: true }, { ...EDGE, kind: "cloud", isDraining: true }, undefined)).toEqual({
      status: 403,
      code: "EDGE_ONLY",
    });
    expect(refusalOf({ ...ask, edgeOnly: true }, EDGE, slow)).toBeUndefined();
  });
});

describe("handing requests to the host", () => {
  it("hands one ahead of a quick model, and none of a slower one", () => {
    expect(handLimit({ slots: 1, meanMs: 0.05, batch: 1 })).toBe(2);
    expect(handLimit({ slots: 1, meanMs: 5, batch: 1 })).toBe(1);
  });

  it("hands over two full runs where requests share them", () => {
    expect(handLimit({ slots: 1, meanMs: 0.05, batch: 32 })).toBe(64);
  });

  it("hands over 20 ms of work at most, but a few of a model worth waiting for", () => {
    expect(handLimit({ slots: 1, meanMs: 1, batch: 32 })).toBe(20);
    expect(handLimit({ slots: 1, meanMs: 15, batch: 32 })).toBe(4);
    expect(handLimit({ slots: 1, meanMs: 51, batch: 32 })).toBe(1);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e4, noNaN: true }), fc.integer({ min: 2, max: 256 }), (meanMs, batch) => {
        const handed = handLimit({ slots: 1, meanMs, batch });
        expect(handed).toBeGreaterThanOrEqual(1);
        if (handed > 4) expect(handed * meanMs).toBeLessThanOrEqual(20);
      }),
    );
  });
});

describe("starting a request at its turn", () => {
  const run = { deadlineMs: 100, meanMs: 20, ahead: 0 };

  it("drops what cannot finish in the time that is left", () => {
    expect(isWorthStarting({ ...run, waitedMs: 80 })).toBe(true);
    expect(isWorthStarting({ ...run, waitedMs: 81 })).toBe(false);
  });

  it("counts the runs of those whom the host has already", () => {
    expect(isWorthStarting({ ...run, waitedMs: 40, ahead: 2 })).toBe(true);
    expect(isWorthStarting({ ...run, waitedMs: 41, ahead: 2 })).toBe(false);
    expect(isWorthStarting({ ...run, waitedMs: 0, ahead: 5 })).toBe(false);
  });

  it("starts what neither waited nor waits, however slow the model was lately", () => {
    expect(isWorthStarting({ ...run, waitedMs: 0, meanMs: 10_000 })).toBe(true);
    expect(isWorthStarting({ ...run, waitedMs: 0.003, meanMs: 10_000 })).toBe(true);
  });

  it("never starts what has no time left", () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(1e5), fc.nat(1e5), fc.nat(4), (waitedMs, deadlineMs, meanMs, ahead) => {
        fc.pre(waitedMs > deadlineMs || deadlineMs === 0);
        expect(isWorthStarting({ waitedMs, deadlineMs, meanMs: meanMs + 0.1, ahead })).toBe(false);
      }),
    );
  });
});
