import { describe, expect, it } from "@jest/globals";
import {
  FAILURE_BACKOFF_MS,
  noRecentFailure,
} from "../../../../../../control-plane/core/scheduling/filters/no-recent-failure.ts";
import type { FleetPlacement } from "../../../../../../control-plane/core/fleet/types.ts";
import { NOW } from "../../../../../support/fleet/fleet-builder.ts";
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

describe("no-recent-failure", () => {
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
