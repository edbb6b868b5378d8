import { describe, expect, it } from "@jest/globals";
import { cost } from "../../../../../../control-plane/core/scheduling/scores/cost.ts";
import { aCandidate, aRequest, unboundedCase, scoreOn } from "../../../../../support/fleet/scheduling-fixture.ts";

const scored = (kind: "edge" | "cloud", label?: string) =>
  scoreOn(
    cost,
    aCandidate({ of: { kind, labels: label === undefined ? {} : { "skerry.dev/cost": label } } }),
    aRequest(),
    [],
  );

describe("cost", () => {
  it.each([
    ["free", "edge", "0", 100, "cost 0"],
    ["a quarter", "edge", "0.25", 75, "cost 0.25"],
    ["the most", "edge", "1", 0, "cost 1"],
    ["more than the most", "edge", "7", 0, "cost 7"],
    ["less than nothing", "edge", "-1", 100, "cost -1"],
    ["free although in the cloud", "cloud", "0", 100, "cost 0"],
  ] as const)("of a node labelled %s", (_, kind, label, score, raw) => {
    expect(scored(kind, label)).toEqual({ score, raw });
  });

  it.each([
    ["edge", undefined, 100],
    ["cloud", undefined, 0],
    ["edge", "cheap", 100],
    ["cloud", "cheap", 0],
  ] as const)("of an %s node with the label %s goes by its kind", (kind, label, score) => {
    expect(scored(kind, label).score).toBe(score);
  });

  it("is finite and from 0 to 100", () => {
    expect(unboundedCase(cost)).toBeNull();
  });
});
