import { describe, expect, it } from "@jest/globals";
import { figuresOf, LIMIT_MS } from "./support.ts";

const ratioOf = (figures: Readonly<Record<string, number>>, one: string, other: string): number =>
  (figures[one] ?? Number.NaN) / (figures[other] ?? Number.NaN);

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

  it.each([
    [".5", 1.2],
    [".8", 1.2],
    [".9", 1.35],
  ])(
    "S15 two routers that do not know of each other's requests have at %s of the capacity a p99 of at most %s × that of exact queue knowledge",
    async (load, times) => expect(ratioOf(await figuresOf(`S15-${load}`), "ours", "bound")).toBeLessThan(times),
    LIMIT_MS,
  );

  it.each([
    [".1", 1.25],
    [".5", 1.25],
    ["1", 1.25],
    ["2", 1.4],
  ])(
    "S13 with service times of cv %s, p99 is at most %s × that of exact queue knowledge",
    async (cv, times) => expect(ratioOf(await figuresOf(`S13-${cv}`), "ours", "bound")).toBeLessThan(times),
    LIMIT_MS,
  );

  it(
    "S18 nodes that callers of their own keep busy cost the others' p99 at most 15 %, and help when the others are full",
    async () => {
      const figures = await figuresOf("S18");
      expect(ratioOf(figures, "light, ours", "light, without them")).toBeLessThan(1.15);
      expect(ratioOf(figures, "half, ours", "half, without them")).toBeLessThan(1.15);
      expect(ratioOf(figures, "full, ours", "full, without them")).toBeLessThan(1);
    },
    LIMIT_MS,
  );
});
