import { describe, expect, it } from "@jest/globals";
import { ageText, agoText, leftText, untilNextAge, untilNextLeft } from "../../../console/src/core/text/age.ts";

describe("an age", () => {
  it.each([
    [-5, "now"],
    [999, "now"],
    [12_345, "12 s"],
    [99_999, "99 s"],
    [100_000, "1 min"],
    [100 * 60_000, "1 h"],
    [47 * 3_600_000, "47 h"],
    [49 * 3_600_000, "2 d"],
  ])("of %d ms reads %s", (ms, text) => {
    expect(ageText(ms)).toBe(text);
  });

  it("says that it is past, unless it is now", () => {
    expect([agoText(10), agoText(5_000)]).toEqual(["now", "5 s ago"]);
  });

  it.each([0, 1, 999, 1_000, 98_999, 150_000, 7_300_000])("of %d ms reads otherwise when it is drawn next", (ms) => {
    const next = ms + untilNextAge(ms);
    expect(next).toBeGreaterThan(ms);
    expect(ageText(next - 1)).toBe(ageText(ms));
  });
});

describe("the time until something", () => {
  it.each([
    [-5, "now"],
    [1, "1 s"],
    [12_345, "13 s"],
    [99_000, "99 s"],
    [99_001, "2 min"],
    [10 * 60_000, "10 min"],
    [100 * 60_000, "2 h"],
    [47 * 3_600_000, "47 h"],
    [7 * 86_400_000, "7 d"],
  ])("of %d ms reads %s", (ms, text) => {
    expect(leftText(ms)).toBe(text);
  });

  it.each([1, 1_000, 1_001, 98_999, 99_001, 600_000, 7_300_000])(
    "of %d ms is drawn anew when it reads otherwise",
    (ms) => {
      const wait = untilNextLeft(ms);
      expect(wait).toBeGreaterThan(0);
      expect(leftText(ms - wait + 1)).toBe(leftText(ms));
      expect(leftText(ms - wait)).not.toBe(leftText(ms));
    },
  );
});
