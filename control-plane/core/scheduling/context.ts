import type { NodeState } from "../../../shared/api/v1/nodes.ts";
import { nodeState, type NodeTimings } from "../fleet/node-status.ts";
import type { Fleet, FleetNode } from "../fleet/types.ts";
import { memo } from "../memo.ts";
import type { Pool } from "../scaling/pool.ts";
import type { ReplicaTargets } from "../scaling/replica-targets.ts";
import { DEFAULT_PROFILE, type Profile } from "./profile.ts";

/** What a plan depends on beside the fleet. */
export interface PlanContext {
  /** ms, the fleet's clock. */
  readonly now: number;
  readonly timings: NodeTimings;
  /** What made us plan, for the explain record: `deployment-changed`, `node-lost`, `periodic`. */
  readonly trigger: string;
  /** When this replica began to lead; for `lostMs` from then on it declares nobody lost. */
  readonly leaderSince?: number;
  /** What demand asks for; without it a deployment keeps the numbers that are recorded in its status. */
  readonly targets?: ReplicaTargets;
  /** Pools of cloud nodes, which may bring nodes for replicas that have none. */
  readonly pools?: readonly Pool[];
  readonly profile?: Profile;
}

export const profileOf = (context: PlanContext): Profile => context.profile ?? DEFAULT_PROFILE;

/** A new leader has not heard the nodes of the others yet: for a while it takes no silence for a loss. */
export function stateFor(node: FleetNode, { now, timings, leaderSince }: PlanContext): NodeState {
  const state = nodeState(node, now, timings);
  const isNewLeader = leaderSince !== undefined && now - leaderSince < timings.lostMs;
  return state === "lost" && isNewLeader ? "detached" : state;
}

const BREAKER_FLEET = 5;
const BREAKER_SHARE = 0.55;

/**
 * The breaker: when more than 55 % of a fleet of at least five is gone at once, the likelier fault is ours (or the
 * network's), and moving everything would make it worse. Nothing is evacuated then.
 */
export const isEvacuationHeld = (fleet: Fleet, context: PlanContext): boolean => breakerOf(fleet.nodes)(context);

const breakerOf = memo((nodes: Fleet["nodes"]) =>
  memo((context: PlanContext): boolean => {
    let known = 0;
    let lost = 0;
    for (const node of nodes.values()) {
      if (node.session === undefined || node.revoked) continue;
      known += 1;
      if (stateFor(node, context) === "lost") lost += 1;
    }
    return known >= BREAKER_FLEET && lost > BREAKER_SHARE * known;
  }),
);
