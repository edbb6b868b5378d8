import { describe, expect, it } from "@jest/globals";
import { AnswerTimes } from "../../../../../control-plane/core/routing/answer-times.ts";
import { RetryBudget } from "../../../../../control-plane/core/routing/retry-budget.ts";
import { attemptTimeoutMs } from "../../../../../control-plane/core/routing/attempt-timeout.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";

describe("Budget", () => {
  it("allows its reserve at once, then a tenth of the requests", () => {
    const budget = new RetryBudget(5);
    let spent = 0;
    while (budget.spend()) spent += 1;
    expect(spent).toBe(5);
    for (let request = 0; request < 1_000; request += 1) {
      budget.earn();
      if (budget.spend()) spent += 1;
    }
    expect(spent - 5).toBeGreaterThan(95);
    expect(spent - 5).toBeLessThanOrEqual(100);
  });

  it("never saves more than its reserve", () => {
    const budget = new RetryBudget(2);
    for (let request = 0; request < 1_000; request += 1) budget.earn();
    expect([budget.spend(), budget.spend(), budget.hasCredit, budget.spend()]).toEqual([true, true, false, false]);
  });
});

describe("AnswerTimes", () => {
  it("says nothing before a hundred answers", () => {
    const times = new AnswerTimes();
    for (let count = 0; count < 99; count += 1) times.add(10);
    expect(times.hedgeAfterMs).toBeUndefined();
    times.add(10);
    expect(times.hedgeAfterMs).toBeDefined();
  });

  it("finds the p95 of what it sees, and follows when that changes", () => {
    const random = seededRandom(5);
    const times = new AnswerTimes();
    for (let count = 0; count < 5_000; count += 1) times.add(100 * random.next());
    expect((times.hedgeAfterMs ?? 0) / 1.2 / 95).toBeGreaterThan(0.9);
    expect((times.hedgeAfterMs ?? 0) / 1.2 / 95).toBeLessThan(1.1);
    for (let count = 0; count < 5_000; count += 1) times.add(1_000 * random.next());
    expect((times.hedgeAfterMs ?? 0) / 1.2 / 950).toBeGreaterThan(0.9);
    expect((times.hedgeAfterMs ?? 0) / 1.2 / 950).toBeLessThan(1.1);
  });
});

describe("attemptTimeoutMs", () => {
  it("is a second, or ten times what was expected if that is more", () => {
    expect([attemptTimeoutMs(5), attemptTimeoutMs(400)]).toEqual([1_000, 4_000]);
  });
});
