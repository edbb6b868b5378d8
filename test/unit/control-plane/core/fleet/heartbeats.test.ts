import { describe, expect, it } from "@jest/globals";
import { nodeState } from "../../../../../control-plane/core/fleet/node-status.ts";
import { reduce } from "../../../../../control-plane/core/fleet/reduce.ts";
import { aFleetState, aNode, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";

type Confirmation = "current" | "previous" | "stale";

/** The node's state after each heartbeat of its second session, by which of our answers it named. */
function statesAfter(...heartbeats: readonly Confirmation[]): readonly string[] {
  const node = aNode("dock");
  const fleet = aFleetState({ nodes: [node] });
  const { capabilities } = node;
  if (!capabilities) throw new Error("the node has no capabilities");
  const opened = { nodeId: node.id, epoch: 2, replica: "r-1", agentVersion: "0.1.0", capabilities, at: NOW };
  reduce(fleet, { type: "session-opened", ...opened });
  return heartbeats.map((confirmation) => {
    reduce(fleet, { type: "heartbeat-received", nodeId: node.id, epoch: 2, confirmation, at: NOW });
    const after = fleet.snapshot().nodes.get(node.id);
    return after ? nodeState(after, NOW, TIMINGS) : "gone";
  });
}

describe("heartbeats", () => {
  it("make a node ready when two in a row named our newest answer", () => {
    expect(statesAfter("current", "current")).toEqual(["suspect", "ready"]);
    expect(statesAfter("current", "stale", "current")).toEqual(["suspect", "suspect", "suspect"]);
  });

  it("never make it ready while our answers do not arrive", () => {
    expect(statesAfter("current", "previous", "stale", "stale")).toEqual(["suspect", "suspect", "suspect", "suspect"]);
  });

  it("leave it ready when one answer was late, and not when it did not arrive", () => {
    expect(statesAfter("current", "current", "previous", "current")).toEqual(["suspect", "ready", "ready", "ready"]);
    expect(statesAfter("current", "current", "previous", "stale").at(-1)).toBe("suspect");
  });
});
