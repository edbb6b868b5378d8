import { describe, expect, it } from "@jest/globals";
import { placementLimit } from "../../../../../../control-plane/core/scheduling/filters/placement-limit.ts";
import { MAX_PLACEMENTS_PER_NODE } from "../../../../../../shared/protocol/limits.ts";
import { aCandidate, aRequest, onEdgeA, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

const refusal = (count: number) =>
  refusalOn(placementLimit, aCandidate({ placements: Array.from({ length: count }, () => onEdgeA()) }), aRequest());

describe("has-slot", () => {
  it.each([0, MAX_PLACEMENTS_PER_NODE - 1])("accepts a node with %i placements", (count) => {
    expect(refusal(count)).toBeUndefined();
  });

  it.each([MAX_PLACEMENTS_PER_NODE, MAX_PLACEMENTS_PER_NODE + 1])(
    "refuses for now a node with %i placements",
    (count) => {
      expect(refusal(count)).toEqual({ verdict: "not now", sentence: `edge-a holds ${count} of 64 placements` });
    },
  );
});
