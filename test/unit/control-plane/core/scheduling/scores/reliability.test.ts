import { describe, expect, it } from "@jest/globals";
import { reliability } from "../../../../../../control-plane/core/scheduling/scores/reliability.ts";
import { NOW } from "../../../../../support/fleet/fleet-builder.ts";
import {
  aCandidate,
  aRequest,
  unboundedCase,
  onEdgeA,
  scoreOn,
} from "../../../../../support/fleet/scheduling-fixture.ts";

describe("reliability", () => {
  it.each([
    [0, 100],
    [1, 75],
    [3, 25],
    [4, 0],
    [6, 0],
  ])("of a node with %i failed placements of any model is %i", (count, score) => {
    const failed = Array.from({ length: count }, () => onEdgeA({ model: "faces", state: "failed" }));
    const placements = [onEdgeA(), onEdgeA({ state: "loading" }), ...failed];
    expect(scoreOn(reliability, aCandidate({ placements }), aRequest(), [])).toEqual({ score, raw: `${count} failed` });
  });

  it("falls with each placement that makes no progress", () => {
    const silent = onEdgeA({ state: "offered" });
    const candidate = aCandidate({ placements: [silent], stallTimes: new Map([[silent.id, NOW]]) });
    expect(scoreOn(reliability, candidate, aRequest(), [])).toEqual({ score: 75, raw: "0 failed, 1 without progress" });
    expect(scoreOn(reliability, candidate, aRequest({ now: NOW - 1 }), []).score).toBe(100);
  });

  it("is 100 for a node that was never given anything", () => {
    expect(scoreOn(reliability, aCandidate(), aRequest(), [])).toEqual({ score: 100, raw: "0 failed" });
  });

  it("is finite and from 0 to 100", () => {
    expect(unboundedCase(reliability)).toBeNull();
  });
});
