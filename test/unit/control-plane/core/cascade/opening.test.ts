import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { admits, type Breaker, CLOSED } from "../../../../../control-plane/core/cascade/breaker.ts";
import { openingOf } from "../../../../../control-plane/core/cascade/opening.ts";
import { UploadBudget } from "../../../../../control-plane/core/cascade/upload-budget.ts";
import type { NodeKind } from "../../../../../shared/api/v1/nodes/nodes.ts";

type Conditions = Parameters<typeof openingOf>[0];

const conditions = (over: Partial<Conditions> = {}): Conditions => ({
  readyOn: new Set<NodeKind>(["cloud"]),
  residency: "any",
  isEdgeOnly: false,
  breaker: CLOSED,
  budget: undefined,
  bytes: 10,
  deadline: 10_000,
  now: 0,
  ...over,
});
const emptyBudget = (): UploadBudget => {
  const budget = new UploadBudget({ bytes: 10, seconds: 60 });
  budget.take(5, 0);
  return budget;
};
const open: Breaker = { state: "open", until: 5_000, timesOpened: 1 };
const both = new Set<NodeKind>(["edge", "cloud"]);

describe("whether the large model may be asked", () => {
  it("gives it half of the time that is left", () => {
    expect(openingOf(conditions({ now: 4_000 }))).toEqual({ kind: "open", kinds: new Set(["cloud"]), withinMs: 3_000 });
  });

  it.each<[string, Partial<Conditions>]>([
    ["unavailable", { readyOn: new Set() }],
    ["residency", { isEdgeOnly: true }],
    ["residency", { residency: "edge-only" }],
    ["residency", { residency: "cloud-only", readyOn: new Set<NodeKind>(["edge"]) }],
    ["breaker", { breaker: open }],
    ["budget", { budget: emptyBudget() }],
    ["deadline", { now: 9_999 }],
  ])("is closed by %s: %j", (why, over) => {
    expect(openingOf(conditions(over))).toEqual({ kind: "closed", why });
  });

  it.each<[string, Partial<Conditions>]>([
    ["the request may run at the edge alone", { isEdgeOnly: true }],
    ["the upload budget is spent", { budget: emptyBudget() }],
  ])("asks a large model at the edge while %s", (_, over) => {
    expect(openingOf(conditions({ readyOn: both, ...over }))).toMatchObject({ kind: "open", kinds: new Set(["edge"]) });
  });

  it("never opens to the cloud under edge-only, over the budget, past the deadline or while the breaker is open", () => {
    const breaker = fc.oneof(
      fc.record({
        state: fc.constant("open" as const),
        until: fc.integer({ min: 0, max: 20 }),
        timesOpened: fc.constant(1),
      }),
      fc.record({
        state: fc.constant("trying" as const),
        since: fc.integer({ min: -70_000, max: 20 }),
        timesOpened: fc.constant(1),
      }),
      fc.constant(CLOSED),
    );
    const any = fc.record({
      readyOn: fc.subarray<NodeKind>(["edge", "cloud"]).map((kinds): ReadonlySet<NodeKind> => new Set(kinds)),
      residency: fc.constantFrom("any" as const, "edge-only" as const, "cloud-only" as const),
      isEdgeOnly: fc.boolean(),
      breaker,
      taken: fc.integer({ min: 0, max: 100 }),
      bytes: fc.integer({ min: 0, max: 100 }),
      now: fc.integer({ min: 0, max: 20 }),
      deadline: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(any, ({ taken, ...rest }) => {
        const budget = new UploadBudget({ bytes: 100, seconds: 60 });
        budget.take(taken, 0);
        const found = openingOf({ ...rest, budget });
        if (found.kind === "closed") return;
        expect(admits(rest.breaker, rest.now)).toBe(true);
        expect(found.withinMs).toBeGreaterThanOrEqual(1);
        expect(rest.now + found.withinMs).toBeLessThan(rest.deadline);
        expect(found.kinds.size).toBeGreaterThan(0);
        expect(found.kinds.isSubsetOf(rest.readyOn)).toBe(true);
        if (found.kinds.has("edge")) expect(rest.residency).not.toBe("cloud-only");
        if (!found.kinds.has("cloud")) return;
        expect([rest.isEdgeOnly, rest.residency === "edge-only"]).toEqual([false, false]);
        expect(taken + rest.bytes).toBeLessThanOrEqual(100);
      }),
    );
  });
});
