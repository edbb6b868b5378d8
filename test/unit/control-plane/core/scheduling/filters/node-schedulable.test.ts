import { describe, expect, it } from "@jest/globals";
import { nodeSchedulable } from "../../../../../../control-plane/core/scheduling/filters/node-schedulable.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

describe("node-schedulable", () => {
  it("accepts a node that is neither cordoned nor draining", () => {
    expect(refusalOn(nodeSchedulable, aCandidate(), aRequest())).toBeUndefined();
  });

  it.each([
    ["cordoned", { cordoned: true }, "edge-a is cordoned"],
    ["draining", { draining: true }, "edge-a is draining"],
    ["cordoned because it drains", { cordoned: true, draining: true }, "edge-a is draining"],
  ])("refuses for now a node that is %s", (_, of, sentence) => {
    expect(refusalOn(nodeSchedulable, aCandidate({ of }), aRequest())).toEqual({ verdict: "not now", sentence });
  });
});
