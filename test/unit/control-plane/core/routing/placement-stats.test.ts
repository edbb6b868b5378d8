import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { PlacementStats, type PlacementFigures } from "../../../../../control-plane/core/routing/placement-stats.ts";

const NOW = 50_000;
const figures = (over: Partial<PlacementFigures> = {}): PlacementFigures => ({
  rif: 0,
  slots: 1,
  meanUs: 10_000,
  p95Us: 20_000,
  ...over,
});

function eject(stats: PlacementStats, now: number): void {
  for (let failure = 0; failure < 5; failure += 1) {
    stats.begin(NOW);
    stats.failed(now);
  }
}

describe("PlacementStats", () => {
  it("smooths a mean that wavers and believes one that doubled", () => {
    const stats = new PlacementStats();
    stats.report(figures(), NOW);
    stats.report(figures({ meanUs: 15_000 }), NOW);
    expect(stats.meanUs).toBeCloseTo(10_500);
    stats.report(figures({ meanUs: 100_000 }), NOW);
    expect(stats.meanUs).toBe(100_000);
  });

  it("knows what others had there at the newest report", () => {
    const stats = new PlacementStats();
    stats.begin(NOW);
    stats.begin(NOW);
    stats.report(figures({ rif: 7 }), NOW);
    stats.begin(NOW);
    expect(stats.othersAtReport).toBe(5);
  });

  it("ejects after five failures in a row, longer each time, and forgets after a long sound time", () => {
    const stats = new PlacementStats();
    eject(stats, NOW);
    expect([stats.isEjected(NOW + 29_999), stats.isEjected(NOW + 30_000)]).toEqual([true, false]);
    eject(stats, NOW + 30_000);
    expect([stats.isEjected(NOW + 89_999), stats.isEjected(NOW + 90_000)]).toEqual([true, false]);
    eject(stats, NOW + 500_000);
    expect([stats.isEjected(NOW + 529_999), stats.isEjected(NOW + 530_000)]).toEqual([true, false]);
  });

  it("does not eject for failures between answers", () => {
    const stats = new PlacementStats();
    for (let round = 0; round < 20; round += 1) {
      stats.begin(NOW);
      if (round % 4 === 3) stats.answered(figures(), NOW);
      else stats.failed(NOW);
    }
    expect(stats.isEjected(NOW)).toBe(false);
  });

  it("has a growing share after it came, came back or was ejected, and all of it while it is ejected", () => {
    const stats = new PlacementStats();
    expect(stats.slowStartWeight(NOW)).toBe(1);
    stats.setServing(true, NOW);
    expect(stats.slowStartWeight(NOW)).toBeCloseTo(0.1);
    stats.setServing(true, NOW + 15_000);
    expect(stats.slowStartWeight(NOW + 15_000)).toBeCloseTo(0.55);
    expect(stats.slowStartWeight(NOW + 30_000)).toBe(1);
    stats.setServing(false, NOW + 40_000);
    stats.setServing(true, NOW + 50_000);
    expect(stats.slowStartWeight(NOW + 50_000)).toBeCloseTo(0.1);
    eject(stats, NOW + 90_000);
    expect(stats.slowStartWeight(NOW + 100_000)).toBe(1);
    expect(stats.slowStartWeight(NOW + 120_000)).toBeCloseTo(0.1);
  });

  it("counts in flight exactly, whatever the ends", () => {
    const end = fc.constantFrom("answered", "failed", "abandoned");
    fc.assert(
      fc.property(fc.array(end), (ends) => {
        const stats = new PlacementStats();
        for (const _ of ends) stats.begin(NOW);
        expect(stats.inFlight).toBe(ends.length);
        for (const how of ends) {
          if (how === "answered") stats.answered(figures(), NOW);
          else if (how === "failed") stats.failed(NOW);
          else stats.abandoned();
        }
        expect(stats.inFlight).toBe(0);
      }),
    );
  });

  it("knows how long a placement with outstanding answers has been silent", () => {
    const stats = new PlacementStats();
    expect(stats.silentMs(NOW)).toBe(0);
    stats.begin(NOW);
    stats.begin(NOW + 100);
    expect(stats.silentMs(NOW + 250)).toBe(250);
    stats.answered(figures(), NOW + 300);
    expect(stats.silentMs(NOW + 320)).toBe(20);
    stats.answered(figures(), NOW + 330);
    expect(stats.silentMs(NOW + 9_000)).toBe(0);
  });

  it("does not take an answer that is being streamed for silence", () => {
    const stats = new PlacementStats();
    stats.begin(NOW);
    stats.streamBegan(NOW + 100);
    expect(stats.silentMs(NOW + 9_000)).toBe(0);
    stats.begin(NOW + 9_000);
    expect(stats.silentMs(NOW + 9_250)).toBe(250);
    stats.streamEnded();
    stats.answered(figures(), NOW + 9_300);
    expect(stats.silentMs(NOW + 9_400)).toBe(100);
  });

  it("forgives what was failed before the node went away, and begins again with a tenth", () => {
    const stats = new PlacementStats();
    stats.setServing(true, NOW);
    stats.begin(NOW);
    stats.failed(NOW);
    expect(stats.penaltyMs(NOW)).toBe(5_000);
    stats.setServing(false, NOW + 1_000);
    expect(stats.penaltyMs(NOW + 1_000)).toBeGreaterThan(4_000);
    stats.setServing(true, NOW + 2_000);
    expect([stats.penaltyMs(NOW + 2_000), stats.slowStartWeight(NOW + 2_000)]).toEqual([0, 0.1]);
  });
});
