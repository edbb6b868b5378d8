import { describe, expect, it } from "@jest/globals";
import { reliability } from "../../../../../../control-plane/core/scheduling/scores/reliability.ts";
import { aFleetSession, NOW } from "../../../../../support/fleet/fleet-builder.ts";
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

  it.each([
    ["once, as by a restart", 1, 0, 100, "0 failed"],
    ["three times", 3, 0, 50, "0 failed, 2 disconnects of late"],
    ["three times, 10 minutes ago", 3, 600_000, 87.5, "0 failed, 0.5 disconnects of late"],
    ["ten times", 10, 0, 0, "0 failed, 9 disconnects of late"],
  ])("of a node whose connection broke %s", (_, score, ageMs, points, raw) => {
    const disconnects = { score, at: NOW - ageMs };
    const candidate = aCandidate({ of: { session: aFleetSession({ disconnects }) } });
    expect(scoreOn(reliability, candidate, aRequest(), [])).toEqual({ score: points, raw });
  });

  it("is 100 for a node that was never given anything", () => {
    expect(scoreOn(reliability, aCandidate(), aRequest(), [])).toEqual({ score: 100, raw: "0 failed" });
  });

  it("is finite and from 0 to 100", () => {
    expect(unboundedCase(reliability)).toBeNull();
  });
});
