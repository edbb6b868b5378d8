import type { NodeState } from "../../../shared/api/v1/nodes/nodes.ts";
import { nextDeadline } from "../fleet/drains.ts";
import type { Fleet } from "../fleet/types.ts";
import type { Pool } from "../scaling/pool.ts";
import type { ReplicaTargets } from "../scaling/replica-targets.ts";
import { stateFor, type PlanContext } from "../scheduling/context.ts";
import type { FleetPlan } from "./plan.ts";

/** Load reports change what fits on a node, and are no change of the fleet: what could not be placed is tried again. */
const SHORTFALL_MS = 5_000;
/** A plan at least this often: bounds the delay if a rule sets no time to wake up. */
const MAX_AGE_MS = 30_000;

/** What a plan was made of. While it holds, the same plan would be made again. */
export interface PlanBasis {
  readonly revision: number;
  readonly leaderSince: number | undefined;
  readonly targets: ReplicaTargets | undefined;
  readonly pools: readonly Pool[] | undefined;
  /** By node id. Silence changes them without an event. */
  readonly states: ReadonlyMap<string, NodeState>;
  /** When time alone may change the plan, in ms of the fleet's clock. */
  readonly until: number;
}

export function basisOf(fleet: Fleet, plan: FleetPlan, context: PlanContext): PlanBasis {
  const { now, leaderSince, targets, pools } = context;
  const isShort = plan.decisions.values().some(({ shortfall }) => shortfall.length > 0);
  return {
    revision: fleet.revision,
    leaderSince,
    targets,
    pools,
    states: new Map(fleet.nodes.values().map((node) => [node.id, stateFor(node, context)])),
    until: Math.min(plan.wakeAt ?? Infinity, nextDeadline(fleet, now), now + (isShort ? SHORTFALL_MS : MAX_AGE_MS)),
  };
}

export function holds(basis: PlanBasis, fleet: Fleet, context: PlanContext): boolean {
  if (basis.revision !== fleet.revision || basis.leaderSince !== context.leaderSince) return false;
  if (basis.targets !== context.targets || basis.pools !== context.pools) return false;
  if (context.now >= basis.until) return false;
  return fleet.nodes.values().every((node) => basis.states.get(node.id) === stateFor(node, context));
}
