import { describe, expect, it } from "@jest/globals";
import { cookieValue } from "../../../../../control-plane/adapters/http/auth/cookie-value.ts";

const read = (header: string, maxLength = 100): string | undefined =>
  cookieValue(header, { name: "skerry", accepts: /^[a-z]{1,8}$/, maxLength });

describe("the value of a cookie", () => {
  it.each([
    ["alone", "skerry=abc", "abc"],
    ["between others", "a=1; skerry=abc; b=2", "abc"],
    ["without the space", "a=1;skerry=abc;b=2", "abc"],
    ["behind one of the name that is none", "skerry=A1; skerry=abc", "abc"],
    ["before another of the name", "skerry=abc; skerry=def", "abc"],
  ])("is found %s", (_where, header, value) => {
    expect(read(header)).toBe(value);
  });

  it.each([
    ["no cookie", ""],
    ["a name that only ends so", "other-skerry=abc"],
    ["a name that only begins so", "skerry2=abc"],
    ["a value that is not accepted", "skerry=abc1"],
    ["a value that is too long", "skerry=abcabcabc"],
    ["a value inside another", "a=skerry=abc"],
  ])("is not read of %s", (_what, header) => {
    expect(read(header)).toBeUndefined();
  });

  it("is looked for in so much of the header only", () => {
    expect(read(`${"a=1; ".repeat(30)}skerry=abc`)).toBeUndefined();
  });
});
