import { describe, expect, it } from "@jest/globals";
import { PAGES, pageOf } from "../../../console/src/app/pages.ts";
import { backoffMs } from "../../../console/src/core/backoff.ts";
import { selectorsOfNames } from "../../../console/src/core/text/chunks.ts";
import { actionsOf } from "../../../console/src/core/deployments/rollout-actions.ts";
import { pathToReturnTo } from "../../../console/src/core/return-to.ts";
import { shortcutOf } from "../../../console/src/core/shortcuts.ts";
import { matchesWords } from "../../../console/src/core/text/text-filter.ts";
import { bytesText, countOf, percentOf } from "../../../console/src/core/text/units.ts";
import { isNothing, nodeChanges, NOTHING, withMin } from "../../../console/src/core/deployments/what-if.ts";
import { RETURN_TO } from "../../../control-plane/adapters/http/auth/attempt-cookie.ts";
import { CONSOLE_PAGES } from "../../../control-plane/adapters/http/web-console/console-handler.ts";

describe("a filter", () => {
  it.each([
    ["", true],
    ["EDGE harbour", true],
    ["harbour edge-a", true],
    ["island", false],
  ])("of %j decides by words in any order", (filter, is) => {
    expect(matchesWords(filter, ["edge-a", "harbour"])).toBe(is);
  });
});

describe("names in label selectors", () => {
  it("are split so that each selector fits", () => {
    const names = Array.from({ length: 100 }, (_, at) => `a-node-with-a-long-name-${at}`);
    const selectors = selectorsOfNames(names);
    expect(selectors.every((each) => each.length <= 500)).toBe(true);
    expect(selectors.flatMap((each) => each.slice("name in (".length, -1).split(","))).toEqual(names);
    expect(selectorsOfNames([])).toEqual([]);
  });
});

describe("keys", () => {
  it("mean a page only after g", () => {
    expect(shortcutOf("n", false, PAGES)).toBeUndefined();
    expect(shortcutOf("n", true, PAGES)).toEqual({ kind: "page", path: "/nodes" });
    expect(["g", "?", "/"].map((key) => shortcutOf(key, false, PAGES)?.kind)).toEqual(["prefix", "help", "search"]);
  });

  it("are one for each page", () => {
    expect(new Set(PAGES.map(({ key }) => key)).size).toBe(PAGES.length);
  });
});

describe("the pages", () => {
  it("are those that the control plane serves", () => {
    expect(PAGES.map(({ path }) => path.slice(1)).toSorted()).toEqual([...CONSOLE_PAGES].toSorted());
  });

  it("contain the addresses below them", () => {
    expect([pageOf("/")?.name, pageOf("/nodes/edge-a")?.name, pageOf("/nodesx")]).toEqual(["Home", "Nodes", undefined]);
  });
});

describe("a what-if question", () => {
  it("asks for what was chosen, with free names for new nodes", () => {
    const choice = { ...NOTHING, nodes: new Map([["a", "drain" as const]]), added: { like: "a", count: 2 } };
    expect(nodeChanges(choice, new Set(["a", "new-1"]))).toMatchObject({
      drain: ["a"],
      cordon: [],
      remove: [],
      add: [
        { name: "new-2", like: "a" },
        { name: "new-3", like: "a" },
      ],
    });
    expect([isNothing(NOTHING), isNothing(choice)]).toEqual([true, false]);
    expect(isNothing({ ...NOTHING, variant: "int8" })).toBe(false);
  });

  it("raises a `max` below the new `min`, and gives none where there was none", () => {
    expect(withMin({ min: 1, max: 2, every: false }, 5)).toEqual({ min: 5, max: 5, every: false });
    expect(withMin({ min: 1, every: false }, 5)).toEqual({ min: 5, every: false });
  });
});

describe("figures", () => {
  it("are read with their unit", () => {
    expect([bytesText(512), bytesText(4_613_734), bytesText(200 * 1_048_576)]).toEqual(["512 B", "4.4 MiB", "200 MiB"]);
    expect([countOf(1, "node"), countOf(0, "node"), countOf(2, "entry")]).toEqual(["1 node", "0 nodes", "2 entries"]);
    expect([percentOf(1, 3), percentOf(0, 0), percentOf(5, 4)]).toEqual([33, 0, 100]);
  });

  it("of a wait between attempts grow up to 15 s", () => {
    expect([backoffMs(0, 0), backoffMs(0, 1), backoffMs(3, 1), backoffMs(100, 1)]).toEqual([250, 500, 4_000, 15_000]);
  });
});

describe("a rollout", () => {
  it.each([
    ["baking", null, ["pause", "promote", "abort"]],
    ["paused", { what: "approval" }, ["approve", "resume", "promote", "abort"]],
    ["promoted", null, ["undo"]],
    ["superseded", null, []],
  ])("in phase %s can be acted on", (phase, waitsFor, actions) => {
    expect(actionsOf({ phase, waitsFor, current: true })).toEqual(actions);
  });
});

describe("the way back from an identity provider", () => {
  it.each([
    ["/nodes", "?q=edge", "/nodes?q=edge"],
    ["/nodes", `?q=${"x".repeat(600)}`, `/nodes?q=${"x".repeat(600)}`],
    ["/nodes", `?q=${"x".repeat(2_000)}`, "/nodes"],
    [`/${"x".repeat(2_000)}`, "", "/"],
    ["//evil.example", "", "/"],
  ])("from %s with %s is what the control plane takes", (pathname, search, back) => {
    expect(pathToReturnTo({ pathname, search })).toBe(back);
    expect(back).toMatch(RETURN_TO);
  });
});
