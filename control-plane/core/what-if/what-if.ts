import type { Fleet } from "../fleet/types.ts";
import { planFleet, type FleetPlan } from "../reconcile/plan.ts";
import type { PlanContext } from "../scheduling/context.ts";
import { whenDone, withSteps } from "./virtual-fleet.ts";

/** Rounds of planning: an update that breaks first takes three for each tenth of its replicas. */
const MAX_ROUNDS = 40;

export interface Round {
  /** The fleet that was planned for. */
  readonly fleet: Fleet;
  readonly plan: FleetPlan;
  /** Nothing is left to do: the fleet stays as it is, and so does the plan. */
  readonly isLast: boolean;
}

/**
 * What the control loop would do with the fleet, round by round: each round is a plan by the same planner, of the fleet in
 * which nodes have done what the round before it told them. No time passes meanwhile, so what waits for a retry waits.
 */
export function* whatIf(fleet: Fleet, context: PlanContext): Generator<Round, void, void> {
  let present = fleet;
  let previous: FleetPlan | undefined;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const plan = planFleet(present, context, previous);
    const after = whenDone(withSteps(present, plan.steps, context.now), context);
    const isLast = after === present;
    yield { fleet: present, plan, isLast };
    if (isLast) return;
    present = after;
    previous = plan;
  }
}
