import { nodeState as stateSchema, type NodeState } from "../../../shared/api/v1/nodes.ts";
import { rolloutPhase, type RolloutPhase } from "../../../shared/api/v1/rollouts.ts";
import { PLACEMENT_STATES, type PlacementState } from "../../../shared/protocol/placement.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import type { Fleet } from "../../core/fleet/types.ts";
import { rolloutOf } from "../../core/fleet/versions.ts";
import type { FleetCounts } from "../../ports/metrics.ts";

/** How many nodes, placements and newest rollouts are in each state, for the metrics. Every state is there, also with 0. */
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
  const rollouts = new Map<RolloutPhase, number>(rolloutPhase.options.map((phase) => [phase, 0]));
  for (const deployment of fleet.deployments.values()) {
    const phase = rolloutOf(deployment)?.record.phase;
    if (phase !== undefined) rollouts.set(phase, (rollouts.get(phase) ?? 0) + 1);
  }
  return { nodes, placements, rollouts, deployments: fleet.deployments.size };
}
