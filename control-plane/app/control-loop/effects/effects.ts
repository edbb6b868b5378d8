import type { Random } from "../../../../shared/base/random.ts";
import type { RolloutFacts } from "../../../core/rollout/facts.ts";
import { dispatch, isCreate, type Step, type StepKind } from "../../../core/reconcile/steps.ts";
import type { LeaderFence, PlanOutcome, PlanStore } from "../../../ports/plan.ts";
import type { EffectTable } from "./effect-table.ts";
import { nodeEffects } from "./node.ts";
import { creationOf, placementEffects } from "./placement.ts";
import { rolloutEffects } from "./rollout.ts";
import { statusEffects } from "./status.ts";

/** Executes the steps of one transaction. `fenced` and `stale` changed nothing. Throws `DATABASE_UNAVAILABLE`. */
export type Execute = (steps: readonly Step[], fence: LeaderFence) => Promise<PlanOutcome>;

/** The tables of all domains as one: a kind of step without an effect does not compile. */
export function createEffects(ports: {
  readonly plans: PlanStore;
  readonly random: Random;
  /** In ms of the fleet's clock. */
  readonly now: () => number;
  /** Called with what was written of a rollout, for the metrics. */
  readonly onRollout: (facts: RolloutFacts) => void;
}): Execute {
  const table: EffectTable<StepKind> = {
    ...placementEffects(ports.plans, ports.random),
    ...statusEffects(ports.plans),
    ...nodeEffects(ports.plans),
    ...rolloutEffects(ports),
  };
  return async (steps, fence) => {
    const [first, second] = steps;
    if (!first) return "stale";
    if (!second) return dispatch(table, first, fence);
    const creations = steps.filter(isCreate).map((step) => creationOf(step, ports.random));
    return ports.plans.createPlacements(fence, creations);
  };
}
