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

  it.each([
    ["no request fails", 0, undefined, 100, "0 failed"],
    ["2 % of all requests fail", 0.02, undefined, 90, "0 failed, 2 % of requests fail here"],
    ["3.33 % of the version's requests fail", 0, 0.0333, 83.4, "0 failed, 3.3 % of requests fail here"],
    ["of the version fewer fail than of all", 0.1, 0.02, 50, "0 failed, 10 % of requests fail here"],
    ["a fifth fails", 0.2, undefined, 0, "0 failed, 20 % of requests fail here"],
    ["all fail", 1, 1, 0, "0 failed, 100 % of requests fail here"],
  ])("of a node where %s", (_, errorShare, ofVersion, score, raw) => {
    const errorShares = ofVersion === undefined ? undefined : new Map([["n-edge-a", ofVersion]]);
    const candidate = aCandidate({ errorShare });
    expect(candidate.node.id).toBe("n-edge-a");
    expect(scoreOn(reliability, candidate, aRequest({ errorShares }), [])).toEqual({ score, raw });
  });

  it("is 100 for a node that was never given anything", () => {
    expect(scoreOn(reliability, aCandidate(), aRequest(), [])).toEqual({ score: 100, raw: "0 failed" });
  });

  it("is finite and from 0 to 100", () => {
    expect(unboundedCase(reliability)).toBeNull();
  });
});
