import { describe, expect, it } from "@jest/globals";
import { desiredFor } from "../../../../control-plane/core/reconcile/desired.ts";
import { deploymentSpec } from "../../../../shared/api/deployments.ts";
import { aDeployment, aFleet, aNode, aPlacement, aVersion } from "../../../support/fleet-builder.ts";

const node = aNode("edge-a");
const limitsOf = (limits: { readonly maxBatch?: number; readonly maxDelayUs?: number }): object | undefined => {
  const fleet = aFleet({
    nodes: [node],
    versions: [aVersion("digits", 1)],
    deployments: [aDeployment({ name: "digits", model: "digits", version: 1, limits })],
    placements: [aPlacement(node)],
  });
  return desiredFor(fleet, node).placements[0]?.limits;
};

describe("the limits that a node is told", () => {
  it("are 32 rows a run without a wait, unless the deployment says otherwise", () => {
    expect(limitsOf({})).toMatchObject({ maxBatch: 32, maxDelayUs: 0, queue: 64 });
    expect(limitsOf({ maxBatch: 1, maxDelayUs: 2_000 })).toMatchObject({ maxBatch: 1, maxDelayUs: 2_000 });
  });

  it.each([{ maxBatch: 0 }, { maxBatch: 257 }, { maxBatch: 1.5 }, { maxDelayUs: -1 }, { maxDelayUs: 100_001 }])(
    "are refused beyond their range: %j",
    (limits) => {
      const { success } = deploymentSpec.safeParse({ name: "digits", model: "digits", version: 1, limits });
      expect(success).toBe(false);
    },
  );
});
