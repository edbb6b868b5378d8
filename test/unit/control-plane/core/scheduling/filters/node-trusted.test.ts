import { describe, expect, it } from "@jest/globals";
import { nodeTrusted } from "../../../../../../control-plane/core/scheduling/filters/node-trusted.ts";
import { NOW } from "../../../../../support/fleet/fleet-builder.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

describe("node-trusted", () => {
  it.each([
    ["whose connection holds", undefined],
    ["whose quarantine is over", { until: NOW, disconnects: 4 }],
  ])("accepts a node %s", (_, quarantine) => {
    expect(refusalOn(nodeTrusted, aCandidate({ quarantine }), aRequest())).toBeUndefined();
  });

  it("refuses for now a node in quarantine, and says until when and why", () => {
    const candidate = aCandidate({ quarantine: { until: NOW + 20_000, disconnects: 4 } });
    expect(refusalOn(nodeTrusted, candidate, aRequest())).toEqual({
      verdict: "not now",
      sentence: "edge-a is in quarantine for another 20 s: 4 disconnects",
      cause: "edge-a is in quarantine: its connection broke again and again",
    });
  });
});
