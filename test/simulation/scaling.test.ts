import { describe, expect, it } from "@jest/globals";
import { figuresOf, LIMIT_MS } from "./support.ts";

describe("simulation of models at a site", () => {
  it.each([".8", "1", "1.2"])(
    "S10 with a popularity of Zipf %s, hits are within 3 points of a knapsack that knows every rate, for at most 1 GiB per 1,000 requests",
    async (zipf) => {
      const { hitPct = 0, boundPct = 0, gibPer1000, lruHitPct } = await figuresOf(`S10-${zipf}`);
      expect(hitPct).toBeGreaterThan(boundPct - 3);
      expect(gibPer1000).toBeLessThan(1);
      expect(lruHitPct).toBeLessThan(hitPct);
    },
    LIMIT_MS,
  );
});

describe("simulation of pools", () => {
  it.each([
    ["step", 7],
    ["spiky", 6],
    ["sine", 1],
  ])(
    "S12 with pods that start in 10 s, a load like a %s leaves at most %i %% of the requests waiting for 200 ms",
    async (pattern, most) => {
      const { latePct, podSeconds = 0, kpaPodSeconds, hpaPct } = await figuresOf(`S12-${pattern}`);
      expect(latePct).toBeLessThan(most);
      expect(podSeconds).toBeLessThan(kpaPodSeconds ?? 0);
      expect(hpaPct).toBeGreaterThan(latePct ?? Infinity);
    },
    LIMIT_MS,
  );

  it(
    "S14 with pods that start in 30 s, a load like a sine leaves at most 5 % of the requests waiting for 200 ms",
    async () => {
      const { latePct, podSeconds = 0, withoutSlopePct, withoutSlopePodSeconds } = await figuresOf("S14");
      expect(latePct).toBeLessThan(5);
      expect(podSeconds).toBeLessThan(withoutSlopePodSeconds ?? 0);
      expect(withoutSlopePct).toBeGreaterThan(5); // while no start has been measured: README
    },
    LIMIT_MS,
  );
});

describe("simulation of starts", () => {
  it(
    "S16 no request goes to a node that still loads the model, and neither loading nodes nor a new router cost the others time",
    async () => {
      const figures = await figuresOf("S16");
      expect(figures["sentToLoading"]).toBe(0);
      expect(figures["edgeShareAtEndPct"]).toBeGreaterThan(5);
      expect(figures["coldP99"]).toBeLessThan(1.2 * (figures["podsAloneP99"] ?? 0));
      expect(figures["restartP99"]).toBeLessThan(1.2 * (figures["steadyP99"] ?? 0));
    },
    LIMIT_MS,
  );
});
