import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ArrivalWindow } from "../../../../../control-plane/core/scaling/arrival-window.ts";

function arrivalsAt(times: Iterable<number>): ArrivalWindow {
  const window = new ArrivalWindow();
  for (const at of times) window.add(at);
  return window;
}
const every = (ms: number, from: number, to: number): number[] =>
  Array.from({ length: Math.ceil((to - from) / ms) }, (_, index) => from + index * ms);

describe("the rate of arrivals", () => {
  it("is that of a steady stream", () => {
    expect(arrivalsAt(every(10, 0, 60_000)).ratePerS(60_000)).toBeCloseTo(100, 0);
  });

  it("follows a burst by its last 3 s, and forgets it over 15 s", () => {
    const window = arrivalsAt(every(10, 30_000, 33_000));
    expect(window.ratePerS(33_000)).toBeCloseTo(100, 0);
    expect(window.ratePerS(36_000)).toBeCloseTo(20, 0);
    expect(window.ratePerS(48_100)).toBe(0);
  });

  it("is 0 without an arrival, and after a long pause", () => {
    expect(new ArrivalWindow().ratePerS(5_000)).toBe(0);
    expect(arrivalsAt([1_000]).ratePerS(10_000_000)).toBe(0);
  });

  it("never is more than what came in the last 3 s would be by itself", () => {
    const property = fc.property(fc.array(fc.nat(30_000), { maxLength: 200 }), (times) => {
      const rate = arrivalsAt(times.toSorted((a, b) => a - b)).ratePerS(30_000);
      return rate >= 0 && rate <= times.length / 3;
    });
    expect(fc.check(property).counterexample).toBeNull();
  });
});
