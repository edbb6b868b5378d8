import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { Reconnect } from "../../../../edge-node/core/reconnect.ts";
import { CLOSE } from "../../../../shared/protocol/close-codes.ts";
import { seededRandom } from "../../../../shared/base/random.ts";

const waitOf = (redial: ReturnType<Reconnect["after"]>): number => (redial.kind === "dial" ? redial.waitMs : NaN);

describe("Reconnect", () => {
  it("waits at random within a bound that doubles up to 30 s and starts over once a session proved itself", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), (seed, failures) => {
        const reconnect = new Reconnect(seededRandom(seed));
        for (let attempt = 0; attempt < failures; attempt += 1) {
          const wait = waitOf(reconnect.after({ code: 1006, retryAfterMs: 0 }));
          expect(wait).toBeGreaterThanOrEqual(0);
          expect(wait).toBeLessThan(Math.min(30_000, 500 * 2 ** attempt));
        }
        reconnect.proven();
        expect(waitOf(reconnect.after({ code: 1006, retryAfterMs: 0 }))).toBeLessThan(500);
      }),
    );
  });

  it("takes Retry-After and the close code's minimum as a floor", () => {
    const reconnect = new Reconnect(seededRandom(1));
    expect(waitOf(reconnect.after({ code: 1006, retryAfterMs: 7_000 }))).toBeGreaterThanOrEqual(7_000);
    expect(waitOf(reconnect.after({ code: CLOSE.CAPACITY, retryAfterMs: 0 }))).toBeGreaterThanOrEqual(5_000);
    expect(waitOf(reconnect.after({ code: CLOSE.BAD_PROOF, retryAfterMs: 0 }))).toBeGreaterThanOrEqual(300_000);
  });

  it("never dials again once the node was deleted", () => {
    expect(new Reconnect(seededRandom(1)).after({ code: CLOSE.NODE_DELETED, retryAfterMs: 0 })).toEqual({
      kind: "never",
    });
  });
});
