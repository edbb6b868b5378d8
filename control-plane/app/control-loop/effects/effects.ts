import type { Random } from "../../../../shared/base/random.ts";
import { dispatch, type Step, type StepKind } from "../../../core/reconcile/steps.ts";
import type { LeaderFence, PlanOutcome, PlanStore } from "../../../ports/plan.ts";
import type { EffectTable } from "./effect-table.ts";
import { nodeEffects } from "./node.ts";
import { placementEffects } from "./placement.ts";
import { statusEffects } from "./status.ts";

/** Executes one step. `fenced` and `stale` changed nothing. Throws `DATABASE_UNAVAILABLE`. */
export type Execute = (step: Step, fence: LeaderFence) => Promise<PlanOutcome>;

/** The tables of all domains as one: a kind of step without an effect does not compile. */
export function createEffects(ports: { readonly plans: PlanStore; readonly random: Random }): Execute {
  const table: EffectTable<StepKind> = {
    ...placementEffects(ports.plans, ports.random),
    ...statusEffects(ports.plans),
    ...nodeEffects(ports.plans),
  };
  return (step, fence) => dispatch(table, step, fence);
}
