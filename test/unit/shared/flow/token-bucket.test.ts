import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { CONTROL_PACE, CONTROL_RATE } from "../../../../shared/protocol/limits.ts";
import { TokenBucket } from "../../../../shared/flow/token-bucket.ts";

const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 400 });

describe("TokenBucket", () => {
  it("gives its burst at once, then its rate, and saves up no more than its burst", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 2 }, 0);
    const takes = (now: number): boolean[] => [bucket.take(now), bucket.take(now), bucket.take(now)];
    expect(takes(0)).toEqual([true, true, false]);
    expect(bucket.waitMs(0)).toBe(100);
    expect(bucket.take(99)).toBe(false);
    expect(takes(100)).toEqual([true, false, false]);
    expect(takes(3_600_000)).toEqual([true, true, false]);
  });

  it("makes up for what was overdrawn before it gives again", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 1 }, 0);
    for (let index = 0; index < 3; index += 1) bucket.overdraw(0);
    expect(bucket.waitMs(0)).toBe(300);
    expect(bucket.take(299)).toBe(false);
    expect(bucket.take(300)).toBe(true);
  });

  it("says how long to wait: then there is a token, and not a millisecond sooner", () => {
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 50 }), (waits, perSecond) => {
        const bucket = new TokenBucket({ perSecond, burst: 3 }, 0);
        let now = 0;
        for (const wait of waits) {
          now += wait;
          const waitMs = bucket.waitMs(now);
          if (waitMs > 0) expect(bucket.take(now + waitMs - 1)).toBe(false);
          now += waitMs;
          expect(bucket.take(now)).toBe(true);
        }
      }),
    );
  });

  it("lets through a node that keeps to its rate, though any second's messages come late and all at once", () => {
    fc.assert(
      fc.property(gaps, fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 5 }), (waits, hitches) => {
        const sender = new TokenBucket(CONTROL_PACE, 0);
        const receiver = new TokenBucket(CONTROL_RATE, 0);
        const until = (sentAt: number): number =>
          Math.max(
            sentAt,
            ...hitches.filter((from) => from <= sentAt && sentAt < from + 1_000).map((from) => from + 1_000),
          );
        let sentAt = 0;
        for (const wait of waits) {
          // As much as the pace allows: a short gap is stretched, a long one saves up.
          sentAt += Math.min(wait, 30);
          sentAt += sender.waitMs(sentAt);
          sender.overdraw(sentAt);
          expect(receiver.take(until(sentAt))).toBe(true);
        }
      }),
    );
  });
});
