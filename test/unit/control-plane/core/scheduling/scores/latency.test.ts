import { describe, expect, it } from "@jest/globals";
import { latency } from "../../../../../../control-plane/core/scheduling/scores/latency.ts";
import { hopsOf } from "../../../../../../control-plane/core/scheduling/hops.ts";
import type { FleetPlacement } from "../../../../../../control-plane/core/fleet/types.ts";
import {
  aCandidate,
  aLoad,
  aRequest,
  unboundedCase,
  onEdgeA,
  scoreOn,
} from "../../../../../support/fleet/scheduling-fixture.ts";
import { aFleetSession } from "../../../../../support/fleet/fleet-builder.ts";

const scored = (rttMs: number, placements: readonly FleetPlacement[] = [], p95Ms?: number) =>
  scoreOn(
    latency,
    aCandidate({ placements, of: { load: aLoad({ rttMs }) } }),
    aRequest({ spec: p95Ms === undefined ? {} : { slo: { p95Ms } } }),
    [],
  );

describe("latency", () => {
  it.each([
    ["a node next door", 0, [], undefined, 100, "0.0 ms"],
    ["a node half of 250 ms away, without an SLO", 125, [], undefined, 50, "125.0 ms"],
    ["a node half of the SLO away", 10, [], 20, 50, "10.0 ms"],
    ["a node farther than the SLO", 30, [], 20, 0, "30.0 ms"],
    ["a node where the model took 40 ms", 10, [onEdgeA({ warmUs: 40_000 })], 100, 50, "50.0 ms"],
    ["a node where another version took 40 ms", 10, [onEdgeA({ version: 7, warmUs: 40_000 })], 100, 50, "50.0 ms"],
    ["a node where another model took 40 ms", 10, [onEdgeA({ model: "faces", warmUs: 40_000 })], 100, 90, "10.0 ms"],
    ["a node where the model never ran", 10, [onEdgeA({ warmUs: undefined })], 100, 90, "10.0 ms"],
  ] as const)("of %s", (_, rttMs, placements, p95Ms, score, raw) => {
    expect(scored(rttMs, placements, p95Ms)).toEqual({ score, raw });
  });

  it.each([
    ["where the model never ran", [], "210.0 ms"],
    ["where it was measured", [onEdgeA({ warmUs: 150_000 })], "160.0 ms"],
  ])("takes the median of the deployment's replicas for the service time, but %s counts its own", (_, own, raw) => {
    const candidate = aCandidate({ placements: own, of: { load: aLoad({ rttMs: 10 }) } });
    const request = aRequest({ serviceUs: { edge: 200_000, cloud: 5_000 } });
    expect(scoreOn(latency, candidate, request, []).raw).toBe(raw);
  });

  it.each([
    ["the control plane that the requests come to", "r-near", 96, "10.0 ms"],
    ["one that they reach in 40 ms", "r-far", 80, "50.0 ms, 40.0 ms of it between control planes"],
    ["one that nobody knows the way to", "r-new", 76, "60.0 ms, 50.0 ms of it between control planes"],
  ])("counts the way of the requests to %s, where the node has its session", (_, replica, score, raw) => {
    const hops = hopsOf(new Map(Object.entries({ "r-near": 0, "r-far": 40 })), 50);
    const candidate = aCandidate({ of: { load: aLoad({ rttMs: 10 }), session: aFleetSession({ replica }) } });
    expect(scoreOn(latency, candidate, aRequest({ hops }), [])).toEqual({ score, raw });
  });

  it("is 50 and marked unknown without a load report", () => {
    expect(scoreOn(latency, aCandidate({ of: { load: undefined } }), aRequest(), [])).toEqual({
      score: 50,
      raw: "unknown",
    });
  });

  it("is finite and from 0 to 100", () => {
    expect(unboundedCase(latency)).toBeNull();
  });
});
