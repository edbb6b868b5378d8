import { describe, expect, it } from "@jest/globals";
import { figuresOf, LIMIT_MS, ratioOf } from "./support.ts";

describe("simulation of steady load", () => {
  it(
    "S0 the engine agrees with queueing theory within 6 %",
    async () => {
      const { randomAtHalf, randomAtNineTenths, twoChoicesAtNineTenths } = await figuresOf("S0");
      expect(Math.abs((randomAtHalf ?? 0) / 2 - 1)).toBeLessThan(0.06);
      expect(Math.abs((randomAtNineTenths ?? 0) / 10 - 1)).toBeLessThan(0.06);
      expect(Math.abs((twoChoicesAtNineTenths ?? 0) / 2.61 - 1)).toBeLessThan(0.06);
    },
    LIMIT_MS,
  );

  it.each([".5", ".7", ".9"])(
    "S1 p99 at %s of the capacity is at most 1.2 × that of exact queue knowledge",
    async (load) => expect(ratioOf(await figuresOf(`S1-${load}`), "ours", "bound")).toBeLessThan(1.2),
    LIMIT_MS,
  );

  it(
    "S1 p99 at .8 of the capacity is at most 1.1 × that of exact queue knowledge and a third of weighted random",
    async () => {
      const figures = await figuresOf("S1-.8");
      expect(ratioOf(figures, "ours", "bound")).toBeLessThan(1.1);
      expect(ratioOf(figures, "weightedRandom", "ours")).toBeGreaterThan(3);
    },
    LIMIT_MS,
  );

  it(
    "S2 without piggyback, with reports every 5 s, p99 is at most 1.6 × that of exact queue knowledge",
    async () => expect(ratioOf(await figuresOf("S2"), "ours", "bound")).toBeLessThan(1.6),
    LIMIT_MS,
  );

  it(
    "S3 p99 changes by at most 5 % between reports every 0.2 s and every 5 s",
    async () => {
      const figures = await figuresOf("S3-reports");
      expect(Math.max(...Object.values(figures)) / Math.min(...Object.values(figures))).toBeLessThan(1.05);
    },
    LIMIT_MS,
  );

  it(
    "S9 at .95 of the capacity requests of high priority have a p99 under 165 ms, and the others one under 235 ms",
    async () => {
      const { high, low } = await figuresOf("S9");
      expect(high).toBeLessThan(165);
      expect(low).toBeLessThan(235);
    },
    LIMIT_MS,
  );
});
