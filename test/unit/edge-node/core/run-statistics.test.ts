import { describe, expect, it } from "@jest/globals";
import { RunStatistics } from "../../../../edge-node/core/run-statistics.ts";

describe("RunStatistics", () => {
  it("shows the first guess until the first run, which replaces it", () => {
    const statistics = new RunStatistics(7);
    expect([statistics.meanMs, statistics.p95Ms]).toEqual([7, 7]);
    statistics.add(3, 1);
    expect([statistics.meanMs, statistics.p95Ms]).toEqual([3, 3]);
  });

  it("weighs each further run with a tenth", () => {
    const statistics = new RunStatistics(0);
    statistics.add(10, 1);
    statistics.add(20, 1);
    expect(statistics.meanMs).toBeCloseTo(11);
  });

  it("divides the time of the runs among the requests that shared them", () => {
    const statistics = new RunStatistics(0);
    statistics.add(8, 4);
    expect(statistics.meanMs).toBe(2);
    for (let i = 0; i < 200; i += 1) statistics.add(4, 8);
    expect(statistics.meanMs).toBeCloseTo(0.5);
  });

  it("does not take one shared run that was held up for all of the truth", () => {
    const statistics = new RunStatistics(0);
    statistics.add(3.2, 32);
    statistics.add(103.2, 32);
    expect(statistics.meanMs).toBeCloseTo(13.2 / 32);
  });

  it("counts a shared run whole for the 95th percentile, since nobody has his answer before it ends", () => {
    const statistics = new RunStatistics(0);
    statistics.add(8, 4);
    expect(statistics.p95Ms).toBe(8);
  });

  it("gives the 95th percentile of the first samples exactly", () => {
    const statistics = new RunStatistics(0);
    for (let ms = 1; ms <= 20; ms += 1) statistics.add(ms, 1);
    expect(statistics.p95Ms).toBe(19);
  });

  it("forgets what is older than its window", () => {
    const statistics = new RunStatistics(0);
    for (let i = 0; i < 300; i += 1) statistics.add(1_000, 1);
    for (let i = 0; i < 288; i += 1) statistics.add(1, 1);
    expect(statistics.p95Ms).toBe(1);
  });
});
