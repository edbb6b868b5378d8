import { describe, expect, it } from "@jest/globals";
import { parseLabelSelector } from "../../../../../control-plane/adapters/http/rest/label-selector.ts";

const parsed = (text: string) => parseLabelSelector(text).matchExpressions;

describe("a label selector", () => {
  it.each([
    ["site=harbour", { key: "site", operator: "In", values: ["harbour"] }],
    ["site == harbour", { key: "site", operator: "In", values: ["harbour"] }],
    ["gpu!=none", { key: "gpu", operator: "NotIn", values: ["none"] }],
    ["gpu=", { key: "gpu", operator: "In", values: [""] }],
    ["zone in (a, b)", { key: "zone", operator: "In", values: ["a", "b"] }],
    ["zone notin(a)", { key: "zone", operator: "NotIn", values: ["a"] }],
    ["skerry.dev/pool_1", { key: "skerry.dev/pool_1", operator: "Exists", values: [] }],
    ["! broken", { key: "broken", operator: "DoesNotExist", values: [] }],
  ])("takes %s", (text, requirement) => {
    expect(parsed(text)).toEqual([requirement]);
  });

  it("takes several, and commas in parentheses", () => {
    expect(parsed("a=b,c in (d,e),f").map(({ key }) => key)).toEqual(["a", "c", "f"]);
  });

  it.each(["", "=b", "-a=b", "a-", "a b", "a=b=c", "a in b", "a in (b", "!!a", "a=(b)", `${"a".repeat(129)}=b`])(
    "refuses `%s`",
    (text) => {
      expect(() => parsed(text)).toThrow(expect.objectContaining({ code: "INVALID_REQUEST" }));
    },
  );
});
