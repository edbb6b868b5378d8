import { describe, expect, it } from "@jest/globals";
import { endpointsOf } from "../../../../../control-plane/app/deployments/deployment-endpoints.ts";
import type { FleetNode } from "../../../../../control-plane/core/fleet/types.ts";
import type { Endpoint } from "../../../../../shared/api/v1/inference.ts";
import { aDeployment, aFleet, aNode, aPlacement, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";

const deployment = aDeployment({ name: "digits", model: "digits", version: 1 });

function nodeAt(localUrl: string | undefined, localKeys?: boolean, over: Partial<FleetNode> = {}): FleetNode {
  const node = aNode("edge-a", over);
  if (!node.capabilities) throw new Error("a built node has capabilities");
  return { ...node, capabilities: { ...node.capabilities, localUrl, localKeys } as typeof node.capabilities };
}

const endpoints = (node: FleetNode, placement: Parameters<typeof aPlacement>[1] = {}): Endpoint[] =>
  endpointsOf(
    aFleet({ nodes: [node], deployments: [deployment], placements: [aPlacement(node, placement)] }),
    deployment,
    {
      now: NOW,
      timings: TIMINGS,
    },
  );

describe("the endpoints of a deployment", () => {
  it("name a node's own address, who reaches it and whose key it asks for", () => {
    expect(endpoints(nodeAt("http://10.0.0.7:7090", true))).toEqual([
      {
        node: "edge-a",
        kind: "edge",
        site: "harbour",
        version: 1,
        state: "ready",
        nodeState: "ready",
        url: "http://10.0.0.7:7090/v2/models/digits/infer",
        reach: "network",
        key: "node",
      },
    ]);
  });

  it.each([
    ["http://127.0.0.1:7090", "machine"],
    ["http://localhost:7090", "machine"],
    ["http://[::1]:7090", "machine"],
    ["http://127.0.0.1.example:7090", "network"],
    ["http://10.0.0.7:7090", "network"],
  ])("say of %s that its reach is %s", (url, reach) => {
    expect(endpoints(nodeAt(url, false))).toMatchObject([{ reach, key: "none" }]);
  });

  it("show a node that reports no address, and send nobody there", () => {
    expect(endpoints(nodeAt(undefined))).toMatchObject([{ node: "edge-a", url: null, reach: "none", key: null }]);
  });

  it("show a placement that is on its way with its state", () => {
    expect(endpoints(nodeAt("http://10.0.0.7:7090"), { state: "loading" })).toMatchObject([{ state: "loading" }]);
  });

  it("leave out what is being removed or on a revoked node", () => {
    expect(endpoints(nodeAt("http://10.0.0.7:7090"), { wanted: "gone" })).toEqual([]);
    expect(endpoints(nodeAt("http://10.0.0.7:7090", false, { revoked: true }))).toEqual([]);
  });
});
