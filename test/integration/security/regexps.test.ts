import { describe, expect, it } from "@jest/globals";
import { isExplosive, regexpsIn, sourceRegexps } from "./support/source-regexps.ts";

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

  it("finds those that are put together too, which nobody can look at: what is written plainly has a literal", () => {
    const found = regexpsIn("a.ts", "const a = new RegExp(`^${b}+$`);\nconst c = RegExp(d) ?? /e/g;\n");
    expect(found.map(({ where, text, isLiteral }) => [where, text, isLiteral])).toEqual([
      ["a.ts:1", "new RegExp(`^${b}+$`)", false],
      ["a.ts:2", "RegExp(d)", false],
      ["a.ts:2", "/e/g", true],
    ]);
    expect(sourceRegexps().filter(({ isLiteral }) => !isLiteral)).toEqual([]);
  });

  it("sees those of the whole product", () => {
    expect(sourceRegexps().length).toBeGreaterThan(150);
  });
});
