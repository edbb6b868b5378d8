import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { Reconnect } from "../../../../edge-node/core/reconnect.ts";
import { CLOSE } from "../../../../shared/protocol/close-codes.ts";
import { seededRandom } from "../../../../shared/base/random.ts";

const LOST = { code: 1006, retryAfterMs: 0 };
const INVALID = { code: CLOSE.INVALID_MESSAGE, retryAfterMs: 0 };

const waitOf = (redial: ReturnType<Reconnect["after"]>): number => (redial.kind === "dial" ? redial.waitMs : NaN);

/** When a control plane that is back at `backAt` has its node again, if each dial takes no time. */
function backAfter(seed: number, backAt: number): number {
  const reconnect = new Reconnect(seededRandom(seed));
  let now = 0;
  do now += waitOf(reconnect.after(LOST, now));
  while (now < backAt);
  return now - backAt;
}

describe("Reconnect", () => {
  it("is back within 5 s of a control plane that was away for any time, and within a quarter of a short outage", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 3_600_000 }), (seed, outageMs) => {
        expect(backAfter(seed, outageMs)).toBeLessThan(Math.min(5_000, Math.max(250, outageMs / 4)) + 1);
      }),
    );
  });

  it("spreads a thousand nodes that lost their control plane at one moment over the whole time they have", () => {
    const perSecond = [0, 0, 0, 0, 0];
    for (let seed = 0; seed < 1_000; seed += 1) {
      const second = Math.floor(backAfter(seed, 60_000) / 1_000);
      perSecond[second] = (perSecond[second] ?? 0) + 1;
    }
    // Who waits at random up to 5 s is met by an event on the average 5/3 s before its end: more come early than late.
    expect(Math.max(...perSecond)).toBeLessThan(450);
    expect(Math.min(...perSecond)).toBeGreaterThan(20);
  });

  it("waits within a bound that doubles up to 30 s after refusals, and starts over once a session proved itself", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), (seed, failures) => {
        const reconnect = new Reconnect(seededRandom(seed));
        for (let attempt = 0; attempt < failures; attempt += 1)
          expect(waitOf(reconnect.after(INVALID, 0))).toBeLessThan(Math.min(30_000, 500 * 2 ** attempt));
        reconnect.proven();
        expect(waitOf(reconnect.after(INVALID, 0))).toBeLessThan(500);
      }),
    );
  });

  it("takes the close code's minimum as a floor, and Retry-After in place of that of a full control plane", () => {
    const reconnect = new Reconnect(seededRandom(1));
    expect(waitOf(reconnect.after({ code: 1006, retryAfterMs: 7_000 }, 0))).toBeGreaterThanOrEqual(7_000);
    expect(waitOf(reconnect.after({ code: CLOSE.CAPACITY, retryAfterMs: 0 }, 0))).toBeGreaterThanOrEqual(5_000);
    expect(waitOf(reconnect.after({ code: CLOSE.CAPACITY, retryAfterMs: 1_000 }, 0))).toBeLessThan(1_250);
    expect(waitOf(reconnect.after({ code: CLOSE.BAD_PROOF, retryAfterMs: 0 }, 0))).toBeGreaterThanOrEqual(300_000);
  });

  it("never dials again once the node was deleted", () => {
    expect(new Reconnect(seededRandom(1)).after({ code: CLOSE.NODE_DELETED, retryAfterMs: 0 }, 0)).toEqual({
      kind: "never",
    });
  });
});
