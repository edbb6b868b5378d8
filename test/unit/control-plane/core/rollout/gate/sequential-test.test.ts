import { describe, expect, it } from "@jest/globals";
import {
  compareShares,
  compareWithLimit,
  leastExpectedRequests,
  MISS,
  type TestResult,
} from "../../../../../../control-plane/core/rollout/gate/sequential-test.ts";
import { type Random, seededRandom } from "../../../../../../shared/base/random.ts";

interface Traffic {
  /** Shares of failed requests. */
  readonly usual: number;
  readonly fresh: number;
  /** Share of the requests that go to the new version. */
  readonly part: number;
  readonly margin: number;
  readonly requests: number;
}

/** The first certain answer when the test is asked after every request that fails, and every 25th. */
function firstAnswer(
  { usual, fresh, part, margin, requests }: Traffic,
  random: Random,
): TestResult & { after: number } {
  const counts = { old: { count: 0, of: 0 }, new: { count: 0, of: 0 } };
  for (let after = 1; after <= requests; after += 1) {
    const isNew = random.next() < part;
    const isFailed = random.next() < (isNew ? fresh : usual);
    const version = isNew ? counts.new : counts.old;
    version.of += 1;
    if (isFailed) version.count += 1;
    if (!isFailed && after % 25 !== 0) continue;
    const result = compareShares(counts.old, counts.new, margin);
    if (result.kind !== "open") return { ...result, after };
  }
  return { kind: "open", leans: "no-worse", after: requests };
}

const times = (count: number, seed: number, traffic: Traffic) => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => firstAnswer(traffic, random));
};

const worseIn = (answers: readonly TestResult[]): number => answers.filter(({ kind }) => kind === "worse").length;

describe("compareShares", () => {
  it.each([
    { usual: 0.02, part: 0.5, margin: 0.02 },
    { usual: 0.02, part: 0.1, margin: 0.02 },
    { usual: 0.02, part: 0.9, margin: 0.02 },
    { usual: 0.001, part: 0.1, margin: 0.01 },
    { usual: 0.1, part: 0.5, margin: 0.05 },
  ])("finds at most 3 of 1,000 equal versions worse: $usual fail, $part are new, $margin more may", (traffic) => {
    const answers = times(1_000, 11, { ...traffic, fresh: traffic.usual, requests: 2_500 });
    expect(worseIn(answers)).toBeLessThanOrEqual(3);
  });

  it.each([
    { usual: 0.02, fresh: 0.04, part: 0.5, margin: 0.02 },
    { usual: 0.1, fresh: 0.2, part: 0.2, margin: 0.1 },
    { usual: 0.05, fresh: 0.1, part: 0.1, margin: 0.05 },
  ])("catches a doubled share within 1.2 times the requests of Wald's bound: $usual, $part are new", (traffic) => {
    const answers = times(400, 12, { ...traffic, requests: 200_000 });
    const mean = answers.reduce((sum, { after }) => sum + after, 0) / answers.length;
    expect(mean).toBeLessThanOrEqual(1.2 * leastExpectedRequests({ ...traffic, worse: traffic.fresh }));
    expect(worseIn(answers)).toBeGreaterThanOrEqual((1 - 1.5 * MISS) * answers.length);
  });

  it("says nothing against a version that fails because everything does", () => {
    const random = seededRandom(13);
    const counts = { old: { count: 0, of: 0 }, new: { count: 0, of: 0 } };
    for (let index = 0; index < 5_000; index += 1) {
      const version = random.next() < 0.3 ? counts.new : counts.old;
      version.of += 1;
      if (index < 1_000 && random.next() < 0.5) version.count += 1;
      expect(compareShares(counts.old, counts.new, 0.01).kind).not.toBe("worse");
    }
  });

  it("asks for more before anything was counted", () => {
    expect(compareShares({ count: 0, of: 0 }, { count: 0, of: 0 }, 0.01)).toEqual({ kind: "open", leans: "no-worse" });
  });

  it("passes a version without failures after four requests for each that the margin would have made fail", () => {
    const old = { count: 0, of: 10_000 };
    expect(compareShares(old, { count: 0, of: 200 }, 0.01).kind).toBe("open");
    expect(compareShares(old, { count: 0, of: 380 }, 0.01)).toEqual({ kind: "no-worse" });
  });
});

describe("compareWithLimit", () => {
  it("decides at the first case where none is allowed", () => {
    expect(compareWithLimit({ count: 1, of: 5 }, 0, 0.01)).toMatchObject({ kind: "worse" });
    expect(compareWithLimit({ count: 0, of: 5 }, 0, 0.01)).toEqual({ kind: "open", leans: "no-worse" });
    expect(compareWithLimit({ count: 0, of: 380 }, 0, 0.01)).toEqual({ kind: "no-worse" });
  });

  it("passes what is well below the limit and refuses what is well above", () => {
    expect(compareWithLimit({ count: 2, of: 200 }, 0.05, 0.05)).toEqual({ kind: "no-worse" });
    expect(compareWithLimit({ count: 40, of: 200 }, 0.05, 0.05)).toMatchObject({ kind: "worse" });
    expect(compareWithLimit({ count: 15, of: 200 }, 0.05, 0.05).kind).toBe("open");
  });
});
