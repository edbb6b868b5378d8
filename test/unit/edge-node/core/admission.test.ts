import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  handLimit,
  holdLimit,
  isWorthStarting,
  refusalOf,
  type QueueView,
} from "../../../../edge-node/core/admission.ts";

const EDGE = { kind: "edge", isDraining: false } as const;
const slow: QueueView = { rif: 0, slots: 1, meanMs: 15, batch: 1, queueLimit: 64 };
const ask = { edgeOnly: false };

describe("admission", () => {
  it("takes requests until four are in flight for each slot", () => {
    expect(refusalOf(ask, EDGE, { ...slow, rif: 3 })).toBeUndefined();
    expect(refusalOf(ask, EDGE, { ...slow, rif: 4 })).toEqual({ status: 429, code: "QUEUE_FULL" });
    expect(refusalOf(ask, EDGE, { ...slow, slots: 2, rif: 7 })).toBeUndefined();
    expect(refusalOf(ask, EDGE, { ...slow, slots: 2, rif: 8 })).toEqual({ status: 429, code: "QUEUE_FULL" });
  });

  it("takes more of a quick model, as long as the queue is worked off in 20 ms", () => {
    expect(holdLimit({ slots: 1, meanMs: 1, batch: 1, queueLimit: 64 })).toBe(20);
    expect(holdLimit({ slots: 1, meanMs: 0.02, batch: 1, queueLimit: 64 })).toBe(65);
    expect(holdLimit({ slots: 1, meanMs: 0, batch: 1, queueLimit: 8 })).toBe(9);
  });

  it("never holds more than the placement's queue and slots", () => {
    fc.assert(
      fc.property(fc.nat(16), fc.double({ min: 0, max: 1e5, noNaN: true }), fc.nat(64), (slots, meanMs, queueLimit) => {
        expect(holdLimit({ slots, meanMs, batch: 1, queueLimit })).toBeLessThanOrEqual(slots + queueLimit);
      }),
    );
  });

  it("holds exactly four for each slot of a model of 5 ms and more", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), fc.double({ min: 5, max: 1e5, noNaN: true }), (slots, meanMs) => {
        expect(holdLimit({ slots, meanMs, batch: 1, queueLimit: 1_000 })).toBe(4 * slots);
      }),
    );
  });

  it("takes two full runs of a quick model whose requests share runs, before its mean shows it", () => {
    expect(holdLimit({ slots: 1, meanMs: 1, batch: 32, queueLimit: 64 })).toBe(64);
    expect(holdLimit({ slots: 1, meanMs: 0.02, batch: 32, queueLimit: 64 })).toBe(128);
    expect(holdLimit({ slots: 1, meanMs: 1, batch: 32, queueLimit: 0 })).toBe(64);
    expect(holdLimit({ slots: 1, meanMs: 15, batch: 32, queueLimit: 64 })).toBe(4);
  });

  it("refuses a placement that is not served here", () => {
    expect(refusalOf(ask, EDGE, undefined)).toEqual({ status: 404, code: "MODEL_NOT_READY" });
  });

  it("refuses everything while the node drains", () => {
    expect(refusalOf(ask, { kind: "edge", isDraining: true }, slow)).toEqual({ status: 503, code: "DRAINING" });
  });

  it("refuses an edge-only request on a cloud node before it looks at anything else", () => {
    expect(refusalOf({ edgeOnly: true }, { kind: "cloud", isDraining: true }, undefined)).toEqual({
      status: 403,
      code: "EDGE_ONLY",
    });
    expect(refusalOf({ edgeOnly: true }, EDGE, slow)).toBeUndefined();
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

  it("hands over 20 ms of work at most, but all that is held of a model worth waiting for", () => {
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

  it("never hands over more than it holds", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e4, noNaN: true }), fc.integer({ min: 2, max: 256 }), (meanMs, batch) => {
        const limits = { slots: 1, meanMs, batch, queueLimit: 64 };
        expect(handLimit(limits)).toBeLessThanOrEqual(holdLimit(limits));
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
