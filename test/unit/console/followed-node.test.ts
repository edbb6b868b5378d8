import { describe, expect, it } from "@jest/globals";
import { followedNode, shownAfter, type ShownNode } from "../../../console/src/core/fleet/followed-node.ts";

const listOf = (...nodes: readonly { readonly name: string; readonly id: string }[]) => {
  const rows = nodes.map((item) => ({ item, at: 0 }));
  return { rows, byName: new Map(rows.map((row) => [row.item.name, row])) };
};
const a = { name: "edge-a", id: "1" };
const renamed = { name: "hall-7", id: "1" };

describe("the page of a node", () => {
  it("shows the node of its name, and none where there is none", () => {
    expect(followedNode(listOf(a), "edge-a", undefined)?.item).toBe(a);
    expect(followedNode(listOf(a), "edge-b", undefined)).toBeUndefined();
    expect(followedNode(listOf(a), "edge-b", a)).toBeUndefined();
  });

  it("follows a node that is renamed, also before its address does, and knows what it was called", () => {
    const list = listOf(renamed);
    expect(followedNode(list, "edge-a", a)?.item).toBe(renamed);
    const shown = shownAfter(a, renamed);
    expect(shown).toEqual({ ...renamed, before: "edge-a" });
    expect(followedNode(list, "edge-a", shown)?.item).toBe(renamed);
    expect(followedNode(list, "hall-7", shown)?.item).toBe(renamed);
  });

  it("shows another node that has taken the name as what it is", () => {
    const other: ShownNode = { name: "edge-a", id: "2" };
    expect(followedNode(listOf(other, renamed), "edge-a", a)?.item).toBe(other);
    expect(shownAfter(a, other)).toEqual(other);
  });

  it("keeps what it shows while nothing is new", () => {
    expect(shownAfter(a, { ...a })).toBe(a);
    expect(shownAfter(a, undefined)).toBe(a);
  });
});
