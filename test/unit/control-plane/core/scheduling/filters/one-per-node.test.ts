import { describe, expect, it } from "@jest/globals";
import { onePerNode } from "../../../../../../control-plane/core/scheduling/filters/one-per-node.ts";
import { PLACEMENT_STATES } from "../../../../../../shared/protocol/placement.ts";
import { aCandidate, aRequest, onEdgeA, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

describe("one-per-node", () => {
  it.each([
    ["nothing", []],
    ["another version of the deployment", [onEdgeA({ version: 2 })]],
    ["the same version of another deployment", [onEdgeA({ deployment: "other" })]],
    ["the same version of a deleted deployment", [onEdgeA({ deployment: undefined })]],
  ])("accepts a node that holds %s", (_, placements) => {
    expect(refusalOn(onePerNode, aCandidate({ placements }), aRequest())).toBeUndefined();
  });

  it.each(PLACEMENT_STATES)("refuses for now a node whose replica of the deployment is %s", (state) => {
    expect(refusalOn(onePerNode, aCandidate({ placements: [onEdgeA({ state })] }), aRequest())).toEqual({
      verdict: "not now",
      sentence: "edge-a already holds digits:1",
    });
  });
});
