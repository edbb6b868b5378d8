import { describe, expect, it } from "@jest/globals";
import { isLoadReportDue } from "../../../../edge-node/core/load-report-due.ts";

const figures = { cpuPct: 20, memFreeMiB: 4_000, diskFreeMiB: 50_000, rttMs: 2 };
const lookMs = 5_000;

describe("the load report of an idle node", () => {
  it("is due when there was none", () => {
    expect(isLoadReportDue(undefined, figures, { ageMs: 0, lookMs })).toBe(true);
  });

  it("is due after 30 s, or when the next look would be later than that by more than half of its interval", () => {
    const isDue = (ageMs: number): boolean => isLoadReportDue(figures, figures, { ageMs, lookMs });
    expect([5_000, 25_000, 27_500, 27_501, 30_000].map(isDue)).toEqual([false, false, false, true, true]);
  });

  it.each([
    ["CPU", { cpuPct: 30 }, { cpuPct: 29 }],
    ["free memory", { memFreeMiB: 3_700 }, { memFreeMiB: 3_900 }],
    ["free disk", { diskFreeMiB: 40_000 }, { diskFreeMiB: 49_000 }],
    ["round trip", { rttMs: 20 }, { rttMs: 6.9 }],
  ])("is due when its %s changes what a plan or a route would be", (_figure, other, alike) => {
    const isDue = (change: object): boolean =>
      isLoadReportDue(figures, { ...figures, ...change }, { ageMs: 5_000, lookMs });
    expect([isDue(other), isDue(alike)]).toEqual([true, false]);
  });

  it("is due for a change that many small ones add up to", () => {
    const isDue = (cpuPct: number): boolean =>
      isLoadReportDue(figures, { ...figures, cpuPct }, { ageMs: 5_000, lookMs });
    expect([24, 28, 30].map(isDue)).toEqual([false, false, true]);
  });
});
