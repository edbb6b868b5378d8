import { describe, expect, it } from "@jest/globals";
import {
  judgeReport,
  missingMessage,
  type ReportedPlacement,
} from "../../../../../control-plane/core/fleet/report-verdicts.ts";

const reported = (over: Partial<ReportedPlacement> = {}): ReportedPlacement => ({
  placementId: "p-1",
  generation: 2,
  state: "ready",
  recorded: { name: "digits:1", isOnThisNode: true, generation: 2, wanted: "serve" },
  ...over,
});
const record = { name: "digits:1", isOnThisNode: true, generation: 2, wanted: "serve" } as const;

describe("a report and its record", () => {
  it.each<[string, Partial<ReportedPlacement>, string | undefined]>([
    ["agrees", {}, undefined],
    ["late", { generation: 1 }, undefined],
    ["ahead", { generation: 5 }, "edge-a reports digits:1 at generation 5, 2 is recorded: the record follows the node"],
    ["returns", { state: "gone" }, "edge-a has removed digits:1, which is wanted there: it is offered anew"],
    ["agrees", { state: "gone", recorded: { ...record, wanted: "gone" } }, undefined],
    [
      "elsewhere",
      { recorded: { ...record, isOnThisNode: false } },
      "edge-a has a placement of digits:1 that is recorded on another node: it is removed there",
    ],
    [
      "unknown",
      { recorded: undefined },
      "edge-a has a placement p-1 (ready) that is not recorded: it is removed there",
    ],
    ["agrees", { recorded: undefined, state: "gone" }, undefined],
    ["agrees", { recorded: undefined, state: "draining" }, undefined],
  ])("are judged as %s: %j", (kind, over, message) => {
    expect(judgeReport(reported(over), "edge-a")).toEqual({ kind, ...(message !== undefined && { message }) });
  });

  it("is missed where the record says that the node had it", () => {
    expect(missingMessage("digits:1", "ready", "edge-a")).toBe(
      "digits:1 is recorded as ready on edge-a, which does not have it: it is offered anew",
    );
    expect(missingMessage("digits:1", "offered", "edge-a")).toBeUndefined();
    expect(missingMessage("digits:1", "failed", "edge-a")).toBeUndefined();
  });
});
