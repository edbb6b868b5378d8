import { describe, expect, it } from "@jest/globals";
import { inTransactions, type Step } from "../../../../../control-plane/core/reconcile/steps.ts";
import { aNode, aPlacement } from "../../../../support/fleet/fleet-builder.ts";

const node = aNode("edge-a");
const placement = aPlacement(node);
const remove: Step = { kind: "placement.remove", placement, node: "edge-a", why: "it drains" };
const create: Step = {
  kind: "placement.create",
  deployment: "digits",
  deploymentGeneration: 1,
  model: "digits",
  version: 1,
  nodeId: node.id,
  node: "edge-a",
  record: placement.explain,
  attempt: { memMiB: 320, agent: "agent 0.1.0" },
};
const sizesOf = (steps: readonly Step[]): readonly number[] => inTransactions(steps).map(({ length }) => length);

describe("the transactions of a plan", () => {
  it("hold new placements that follow each other together, and every other step alone", () => {
    expect(sizesOf([remove, create, create, remove, remove, create])).toEqual([1, 2, 1, 1, 1]);
    expect(inTransactions([remove, create, create])).toEqual([[remove], [create, create]]);
    expect(sizesOf([])).toEqual([]);
  });

  it("hold 200 new placements at most", () => {
    expect(sizesOf(Array.from({ length: 450 }, () => create))).toEqual([200, 200, 50]);
  });
});
