import { nodeState as stateSchema, type NodeState } from "../../../shared/api/v1/nodes/nodes.ts";
import { ENDED_PHASES, rolloutPhase, type RolloutPhase } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { PLACEMENT_STATES, type PlacementState } from "../../../shared/protocol/placement.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import type { Fleet } from "../../core/fleet/types.ts";
import { rolloutOf } from "../../core/fleet/versions/versions.ts";
import type { FleetCounts } from "../../ports/metrics.ts";

/** Rollouts whose age is shown: more are no reading for anybody, and each is a series. */
const SHOWN_ROLLOUTS = 500;

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
  const runningRollouts: { deployment: string; phase: RolloutPhase; ms: number }[] = [];
  for (const deployment of fleet.deployments.values()) {
    const rollout = rolloutOf(deployment);
    if (rollout === undefined) continue;
    const { phase } = rollout.record;
    rollouts.set(phase, (rollouts.get(phase) ?? 0) + 1);
    if (!ENDED_PHASES.includes(phase) && runningRollouts.length < SHOWN_ROLLOUTS)
      runningRollouts.push({ deployment: deployment.name, phase, ms: Math.max(0, now - rollout.phaseSince) });
  }
  return { nodes, placements, rollouts, runningRollouts, deployments: fleet.deployments.size };
}
