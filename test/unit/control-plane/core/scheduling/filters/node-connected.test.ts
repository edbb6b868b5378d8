import { describe, expect, it } from "@jest/globals";
import { nodeConnected } from "../../../../../../control-plane/core/scheduling/filters/node-connected.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

describe("node-connected", () => {
  it("accepts a ready node", () => {
    expect(refusalOn(nodeConnected, aCandidate({ state: "ready" }), aRequest())).toBeUndefined();
  });

  it.each([
    ["never connected", "pending", "not now", "edge-a has not connected yet"],
    ["fell silent", "suspect", "not now", "edge-a is suspect (heard 20 s ago)"],
    ["is lost", "lost", "not now", "edge-a is lost (heard 20 s ago)"],
    ["was revoked", "revoked", "never", "edge-a was revoked"],
  ] as const)("refuses a node that %s", (_, state, verdict, sentence) => {
    expect(refusalOn(nodeConnected, aCandidate({ state, silentMs: 20_000 }), aRequest())).toMatchObject({
      verdict,
      sentence,
    });
  });
});
