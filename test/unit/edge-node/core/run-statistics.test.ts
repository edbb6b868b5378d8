import { describe, expect, it } from "@jest/globals";
import { RunStatistics } from "../../../../edge-node/core/run-statistics.ts";

const NOW = 50_000;

describe("RunStatistics", () => {
  it("shows the first guess until the first run, which replaces it", () => {
    const statistics = new RunStatistics(7);
    expect([statistics.meanMs(NOW), statistics.p95Ms]).toEqual([7, 7]);
    statistics.add(3, 1, NOW);
    expect([statistics.meanMs(NOW), statistics.p95Ms]).toEqual([3, 3]);
  });

  it("weighs each further run with a tenth", () => {
    const statistics = new RunStatistics(0);
    statistics.add(10, 1, NOW);
    statistics.add(20, 1, NOW);
    expect(statistics.meanMs(NOW)).toBeCloseTo(11);
  });

  it("divides the time of the runs among the requests that shared them", () => {
    const statistics = new RunStatistics(0);
    statistics.add(8, 4, NOW);
    expect(statistics.meanMs(NOW)).toBe(2);
    for (let i = 0; i < 200; i += 1) statistics.add(4, 8, NOW);
    expect(statistics.meanMs(NOW)).toBeCloseTo(0.5);
  });

  it("does not take one shared run that was held up for all of the truth", () => {
    const statistics = new RunStatistics(0);
    statistics.add(3.2, 32, NOW);
    statistics.add(103.2, 32, NOW);
    expect(statistics.meanMs(NOW)).toBeCloseTo(0.3);
    for (let i = 0; i < 3; i += 1) statistics.add(3.2, 32, NOW);
    expect(statistics.meanMs(NOW)).toBeLessThan(0.31);
  });

  it("is not spoiled by a cold first run, nor by an outlier", () => {
    const statistics = new RunStatistics(5);
    statistics.add(900, 1, NOW);
    statistics.add(5, 1, NOW);
    expect(statistics.meanMs(NOW)).toBe(15);
    for (let i = 0; i < 100; i += 1) statistics.add(5, 1, NOW);
    statistics.add(4_000, 1, NOW);
    expect(statistics.meanMs(NOW)).toBe(15);
  });

  it("follows a model that has become slower within the runs that it remembers", () => {
    const statistics = new RunStatistics(5);
    for (let i = 0; i < 100; i += 1) statistics.add(5, 1, NOW);
    for (let i = 0; i < 16; i += 1) statistics.add(50, 1, NOW);
    expect(statistics.meanMs(NOW)).toBeGreaterThan(40);
  });

  it("shows the mean of service times that vary", () => {
    const statistics = new RunStatistics(5);
    for (let i = 0; i < 200; i += 1) statistics.add([4, 5, 6, 25][i % 4] ?? 0, 1, NOW);
    expect(statistics.meanMs(NOW)).toBeCloseTo(10, -1);
  });

  it("counts a shared run whole for the 95th percentile, since no answer comes before its end", () => {
    const statistics = new RunStatistics(0);
    statistics.add(8, 4, NOW);
    expect(statistics.p95Ms).toBe(8);
  });

  it("gives the 95th percentile of the first samples exactly", () => {
    const statistics = new RunStatistics(0);
    for (let ms = 1; ms <= 20; ms += 1) statistics.add(ms, 1, NOW);
    expect(statistics.p95Ms).toBe(19);
  });

  it("forgets what is older than its window", () => {
    const statistics = new RunStatistics(0);
    for (let i = 0; i < 300; i += 1) statistics.add(1_000, 1, NOW);
    for (let i = 0; i < 288; i += 1) statistics.add(1, 1, NOW);
    expect(statistics.p95Ms).toBe(1);
  });

  it("lets a bad mean sink towards the first guess while nothing runs, and leaves a good one alone", () => {
    const slowed = new RunStatistics(2);
    slowed.add(66, 1, NOW);
    expect([0, 5_000, 10_000, 60_000].map((ms) => Math.round(slowed.meanMs(NOW + ms)))).toEqual([66, 34, 18, 2]);
    const quick = new RunStatistics(2);
    quick.add(1, 1, NOW);
    expect(quick.meanMs(NOW + 60_000)).toBe(1);
  });
});
