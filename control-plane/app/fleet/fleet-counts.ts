import { nodeState as stateSchema, type NodeState } from "../../../shared/api/v1/nodes.ts";
import { PLACEMENT_STATES, type PlacementState } from "../../../shared/protocol/placement.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import type { Fleet } from "../../core/fleet/types.ts";
import type { FleetCounts } from "../../ports/metrics.ts";

/** How many nodes and placements are in each state, for the metrics. Every state is there, also with 0. */
export function fleetCounts(
  fleet: Fleet,
  now: number,
  timings: NodeTimings,
): Omit<FleetCounts, "inFlight" | "pools" | "watches" | "peers"> {
  const nodes = new Map<NodeState, number>(stateSchema.options.map((state) => [state, 0]));
  const placements = new Map<PlacementState, number>(PLACEMENT_STATES.map((state) => [state, 0]));
  for (const node of fleet.nodes.values()) {
    const state = nodeState(node, now, timings);
    nodes.set(state, (nodes.get(state) ?? 0) + 1);
  }
  for (const { state } of fleet.placements.values()) placements.set(state, (placements.get(state) ?? 0) + 1);
  return { nodes, placements, deployments: fleet.deployments.size };
}
