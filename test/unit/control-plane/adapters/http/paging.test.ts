import { describe, expect, it } from "@jest/globals";
import { parseLabelSelector } from "../../../../../control-plane/adapters/http/rest/label-selector.ts";
import { paginate } from "../../../../../control-plane/adapters/http/rest/paginate.ts";

const rows = ["d", "a", "c", "b", "e"].map((name, at) => ({
  name,
  labels: { site: at % 2 === 0 ? "north" : "south", name },
}));
const listing = {
  keyOf: ({ name }: { name: string }) => name,
  labelsOf: ({ labels }: { labels: Record<string, string> }) => labels,
};
const names = (page: { items: { name: string }[] }): string => page.items.map(({ name }) => name).join("");

describe("paging", () => {
  it("sorts, and goes on after the cursor until nothing is left", () => {
    const first = paginate(rows, { limit: 2 }, listing);
    const second = paginate(rows, { limit: 2, cursor: first.nextCursor ?? "" }, listing);
    const third = paginate(rows, { limit: 2, cursor: second.nextCursor ?? "" }, listing);
    expect([names(first), names(second), names(third), third.nextCursor]).toEqual(["ab", "cd", "e", null]);
  });

  it("loses and repeats nothing when rows come and go in between", () => {
    const first = paginate(rows, { limit: 2 }, listing);
    const later = [...rows.filter(({ name }) => name !== "b"), { name: "aa", labels: { site: "north", name: "aa" } }];
    expect(names(paginate(later, { limit: 5, cursor: first.nextCursor ?? "" }, listing))).toBe("cde");
  });

  it("has no next page when the last one is exactly full", () => {
    expect(paginate(rows, { limit: 5 }, listing).nextCursor).toBeNull();
  });

  it("filters before it cuts", () => {
    expect(names(paginate(rows, { limit: 2, labelSelector: "site=north" }, listing))).toBe("cd");
  });
});

describe("a label selector", () => {
  it("is read as kubectl writes it", () => {
    expect(parseLabelSelector("a=b,c!=d, e in (x, y),f notin (z),g,!h,i==j").matchExpressions).toEqual([
      { key: "a", operator: "In", values: ["b"] },
      { key: "c", operator: "NotIn", values: ["d"] },
      { key: "e", operator: "In", values: ["x", "y"] },
      { key: "f", operator: "NotIn", values: ["z"] },
      { key: "g", operator: "Exists", values: [] },
      { key: "h", operator: "DoesNotExist", values: [] },
      { key: "i", operator: "In", values: ["j"] },
    ]);
  });

  for (const text of ["", "a b", "=b", "a in x", "a in (x", "a,,b", "a>1"]) {
    it(`refuses \`${text}\``, () => {
      expect(() => parseLabelSelector(text)).toThrow("labelSelector");
    });
  }
});
