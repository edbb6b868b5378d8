import { describe, expect, it } from "@jest/globals";
import { TokenBuckets } from "../../../../shared/flow/token-buckets.ts";
import { TestClock } from "../../../support/test-clock.ts";

describe("token buckets", () => {
  it("give a burst, then what has flowed in", async () => {
    const clock = new TestClock();
    const buckets = new TokenBuckets({ perSecond: 10, burst: 2 }, clock);
    expect([buckets.take("a"), buckets.take("a"), buckets.take("a")]).toEqual([true, true, false]);
    expect(buckets.waitMs("a")).toBe(100);
    await clock.advance(99);
    expect(buckets.hasToken("a")).toBe(false);
    await clock.advance(1);
    expect([buckets.take("a"), buckets.take("a")]).toEqual([true, false]);
    await clock.advance(3_600_000);
    expect([buckets.take("a"), buckets.take("a"), buckets.take("a")]).toEqual([true, true, false]);
  });

  it("do not touch one another", () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, new TestClock());
    expect([buckets.take("a"), buckets.take("b"), buckets.take("a")]).toEqual([true, true, false]);
  });

  it("stay bounded, and forget those first that are full", async () => {
    const clock = new TestClock();
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, clock, 2);
    buckets.take("old");
    await clock.advance(1_000);
    buckets.take("busy");
    buckets.take("new");
    expect(buckets.take("busy")).toBe(false);
  });
});
