import { describe, expect, it } from "@jest/globals";
import {
  FAILURE_BACKOFF_MS,
  noRecentFailure,
} from "../../../../../../control-plane/core/scheduling/filters/no-recent-failure.ts";
import type { FleetPlacement } from "../../../../../../control-plane/core/fleet/types.ts";
import { attemptOn } from "../../../../../../control-plane/core/scheduling/needs/attempt.ts";
import type { VersionHistory } from "../../../../../../control-plane/core/fleet/types.ts";
import { aNode, NOW } from "../../../../../support/fleet/fleet-builder.ts";
import { aCandidate, aRequest, onEdgeA, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

const failed = (agoMs: number, over: Partial<FleetPlacement> = {}): FleetPlacement =>
  onEdgeA({
    state: "failed",
    stateSince: NOW - agoMs,
    failure: { code: "LOAD_FAILED", detail: "no such operator" },
    ...over,
  });
const refusal = (...placements: readonly FleetPlacement[]) =>
  refusalOn(noRecentFailure, aCandidate({ placements }), aRequest());

const remembers = (over: Partial<VersionHistory> = {}, memMiB = 100) => {
  const attempt = attemptOn(aNode("edge-a"), 100);
  const history = [{ model: "digits", version: 1, loadFailures: 3, attempt, evictedAt: undefined, ...over }];
  return refusalOn(noRecentFailure, aCandidate({ of: { history } }), aRequest({ memMiB }));
};

describe("no-recent-failure", () => {
  it("refuses for good a node where the version failed to load three times in a row, also when it holds nothing of it", () => {
    expect(remembers()).toEqual({
      verdict: "never",
      sentence:
        "digits:1 failed to load on edge-a 3 times in a row; it is tried there again with another memory limit, agent or runtime, or by `skerry deployments retry digits`",
    });
  });

  it.each([
    ["of another version", remembers({ version: 2 })],
    ["of another model", remembers({ model: "faces" })],
    ["that is the second", remembers({ loadFailures: 2 })],
    ["with another memory limit", remembers({}, 200)],
    ["with another agent", remembers({ attempt: { memMiB: 100, agent: "agent 0.0.9 with onnxruntime 1.29.0" } })],
    ["of an attempt that was not recorded", remembers({ attempt: undefined })],
  ])("accepts a node after a failed load %s", (_, refused) => {
    expect(refused).toBeUndefined();
  });

  it.each([
    ["nothing is placed", []],
    ["the version is ready", [onEdgeA()]],
    ["another version failed", [failed(0, { version: 2 })]],
    ["another model failed", [failed(0, { model: "faces" })]],
    ["the failure is 15 min old", [failed(FAILURE_BACKOFF_MS)]],
  ])("accepts a node where %s", (_, placements) => {
    expect(refusal(...placements)).toBeUndefined();
  });

  it.each([
    ["just now", failed(0), "LOAD_FAILED", "15 min"],
    ["14 min ago", failed(FAILURE_BACKOFF_MS - 60_000), "LOAD_FAILED", "60 s"],
    ["for another deployment", failed(0, { deployment: "other" }), "LOAD_FAILED", "15 min"],
    ["for an unknown reason", failed(0, { failure: undefined }), "unknown", "15 min"],
  ])("refuses for now a node where the version failed %s", (_, placement, code, left) => {
    expect(refusal(placement)).toMatchObject({
      verdict: "not now",
      sentence: `digits:1 failed on edge-a (${code}); retry in ${left}`,
    });
  });
});
