import { describe, expect, it } from "@jest/globals";
import { HALF_LIFE_MS, MeanRates } from "../../../../../control-plane/core/scaling/mean-rates.ts";

const asked = (ratePerS: number) => new Map([["digits", { ratePerS }]]);

describe("the mean rate of requests", () => {
  it("is none at first, and half of a new rate after 5 minutes", () => {
    const rates = new MeanRates();
    expect(rates.update(asked(12), 0).get("digits")).toBeUndefined();
    expect(rates.update(asked(12), HALF_LIFE_MS).get("digits")).toBeCloseTo(6);
    expect(rates.update(asked(12), 2 * HALF_LIFE_MS).get("digits")).toBeCloseTo(9);
  });

  it("is the same however often it is asked for", () => {
    const rates = new MeanRates();
    for (let now = 0; now < HALF_LIFE_MS; now += 1_000) rates.update(asked(12), now);
    expect(rates.update(asked(12), HALF_LIFE_MS).get("digits")).toBeCloseTo(6);
  });

  it("falls by half in 5 minutes without requests, and is forgotten in the end", () => {
    const rates = new MeanRates();
    rates.update(asked(12), 0);
    rates.update(asked(12), 100 * HALF_LIFE_MS);
    expect(rates.update(new Map(), 101 * HALF_LIFE_MS).get("digits")).toBeCloseTo(6);
    expect(rates.update(new Map(), 140 * HALF_LIFE_MS).size).toBe(0);
  });
});
