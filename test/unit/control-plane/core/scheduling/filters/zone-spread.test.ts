import { describe, expect, it } from "@jest/globals";
import { zoneSpread } from "../../../../../../control-plane/core/scheduling/filters/zone-spread.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

const inZoneA = aCandidate({ of: { zone: "a" } });

describe("zone-spread", () => {
  it.each([
    ["while no zone has all replicas", undefined],
    ["outside the zone that has all replicas", { zone: "b", free: "a" }],
  ])("accepts a node %s", (_, crowded) => {
    expect(refusalOn(zoneSpread, inZoneA, aRequest({ crowded }))).toBeUndefined();
  });

  it("refuses for now a node of the zone that has all replicas, and names one that is free", () => {
    expect(refusalOn(zoneSpread, inZoneA, aRequest({ crowded: { zone: "a", free: "b" } }))).toEqual({
      verdict: "not now",
      sentence: "all replicas would be in zone a; zone b is free",
    });
  });
});
