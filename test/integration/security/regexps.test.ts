import { describe, expect, it } from "@jest/globals";
import { isExplosive, sourceRegexps } from "./support/source-regexps.ts";

describe("the check of regular expressions", () => {
  it.each([
    "/^(a+)+$/",
    "/^(a|a)*$/",
    "/^(a*)*$/",
    "/^(\\w+\\s?)*$/",
    "/^(?:[a-z]+[0-9]*)+$/",
    "/(x|xx)+y/",
    "/^([a-z]+,?)*$/",
  ])("refuses %s", (literal) => {
    expect(isExplosive(literal)).toBe(true);
  });

  it.each(["/^[a-z]+$/", "/^a+(,a+)*$/", "/^(?:\\/[\\w.-]+)*$/", "/^(\\.[a-z]+|\\[\\d{1,6}\\])*$/", "/(?=(a+)+)b/"])(
    "lets %s pass",
    (literal) => {
      expect(isExplosive(literal)).toBe(false);
    },
  );

  it("sees those of the whole product", () => {
    expect(sourceRegexps().length).toBeGreaterThan(150);
  });
});
