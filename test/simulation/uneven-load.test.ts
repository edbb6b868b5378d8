import { describe, expect, it } from "@jest/globals";
import { figuresOf, LIMIT_MS, ratioOf } from "./support.ts";

describe("simulation of uneven service times, of two routers and of other callers", () => {
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
