import { describe, expect, it } from "@jest/globals";
import { endedSince, errorsAfter } from "../../../../../../control-plane/core/fleet/versions/version-errors.ts";
import type { VersionErrors } from "../../../../../../control-plane/core/fleet/types.ts";
import type { PlacementLoad } from "../../../../../../shared/protocol/messages/load-report.ts";

const AT = 5_000_000;
const load = (done: number, failed: number, placementId = "p-1"): PlacementLoad => ({
  placementId,
  done,
  failed,
  rif: 0,
  queued: 0,
  slots: 1,
  meanUs: 1,
  p95Us: 1,
  rssMiB: 1,
});
const ended = (before: readonly PlacementLoad[], report: readonly PlacementLoad[]) =>
  endedSince(before, report, (id) => (id === "p-?" ? undefined : { model: "digits", version: 3 }));

describe("requests that ended between two load reports", () => {
  it.each([
    ["some ended", [load(10, 1)], [load(15, 3)], { requests: 7, errors: 2 }],
    ["the agent started anew", [load(10, 1)], [load(2, 3)], { requests: 5, errors: 3 }],
    ["only errors are fewer than before", [load(10, 5)], [load(12, 1)], { requests: 13, errors: 1 }],
    ["none ended", [load(10, 1)], [load(10, 1)], undefined],
    ["the placement is in no earlier report", [load(10, 1, "p-2")], [load(10, 1)], undefined],
    ["nobody knows the placement", [load(0, 0, "p-?")], [load(10, 1, "p-?")], undefined],
  ])("when %s", (_, before, report, expected) => {
    expect(ended(before, report)).toEqual(expected ? [{ model: "digits", version: 3, ...expected }] : []);
  });
});

describe("what is known of errors", () => {
  const known: VersionErrors = { model: "digits", version: 3, requests: 100, errors: 10, at: AT, erredAt: AT };
  const of = (requests: number, errors: number, version = 3) => ({ model: "digits", version, requests, errors });

  it("stays the same object when no request ended", () => {
    const before = [known];
    expect(errorsAfter(before, [], AT + 1)).toBe(before);
  });

  it("counts half as much after 10 minutes", () => {
    const at = AT + 600_000;
    expect(errorsAfter([known], [of(8, 0)], at)).toEqual([{ ...known, requests: 58, errors: 5, at }]);
    expect(errorsAfter([known], [of(8, 1)], at)).toEqual([{ ...known, requests: 58, errors: 6, at, erredAt: at }]);
  });

  it("is kept apart for each version", () => {
    const at = AT + 1;
    const after = errorsAfter([known], [of(4, 0, 4)], at);
    expect(after).toEqual([{ ...of(4, 0, 4), at, erredAt: undefined }, known]);
  });

  it("is forgotten when hardly anything is left of it, and bounded", () => {
    const [late] = errorsAfter([known], [of(4, 0, 4)], AT + 10 * 600_000) ?? [];
    expect(late).toMatchObject({ version: 4 });
    const many = Array.from({ length: 100 }, (_, version) => of(1, 0, version));
    expect(errorsAfter([], many, AT)).toHaveLength(64);
  });
});
