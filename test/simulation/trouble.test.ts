import { describe, expect, it } from "@jest/globals";
import { figuresOf, LIMIT_MS } from "./support.ts";

describe("simulation of trouble", () => {
  it(
    "S4 a pod that slows down tenfold is left alone at once",
    async () => {
      const { firstSecond, later, laterSharePct } = await figuresOf("S4");
      expect(firstSecond).toBeLessThan(200);
      expect(later).toBeLessThan(160);
      expect(laterSharePct).toBeLessThan(0.5);
    },
    LIMIT_MS,
  );

  it(
    "S5 a pod that fails within a millisecond draws no traffic: .1 % of errors at most, none with a retry",
    async () => {
      const { oursPct, oursRetryingPct, weightedRandomPct } = await figuresOf("S5");
      expect(oursPct).toBeLessThan(0.1);
      expect(oursRetryingPct).toBe(0);
      expect(weightedRandomPct).toBeGreaterThan(5); // the trouble is there
    },
    LIMIT_MS,
  );

  it(
    "S6 six silent nodes of 32 fail at most .1 % of the requests and leave p99 under 250 ms",
    async () => {
      const { failedPct, p99, randomFailedPct } = await figuresOf("S6");
      expect(failedPct).toBeLessThan(0.1);
      expect(p99).toBeLessThan(250);
      expect(randomFailedPct).toBeGreaterThan(1);
    },
    LIMIT_MS,
  );

  it(
    "S7 three nodes that come and go every 2 s fail at most .05 % of the requests",
    async () => {
      const { failedPct, randomPct } = await figuresOf("S7");
      expect(failedPct).toBeLessThan(0.05);
      expect(randomPct).toBeGreaterThan(0.05);
    },
    LIMIT_MS,
  );

  it(
    "S8 a burst of 2.5 × the capacity leaves 95 % of it to answers in time, and is over within a second",
    async () => {
      const { goodputPct, recoveryS, randomGoodputPct } = await figuresOf("S8");
      expect(goodputPct).toBeGreaterThan(95);
      expect(recoveryS).toBeLessThanOrEqual(1);
      expect(randomGoodputPct).toBeLessThan(50);
    },
    LIMIT_MS,
  );

  it(
    "S11 hedging brings p99.9 under 300 ms for at most 3 % more load where 1 % of the runs take twenty times as long",
    async () => {
      const { p999, extraLoadPct, p999Without } = await figuresOf("S11");
      expect(p999).toBeLessThan(300);
      expect(extraLoadPct).toBeLessThan(3);
      expect(p999Without).toBeGreaterThan(600);
    },
    LIMIT_MS,
  );
});
