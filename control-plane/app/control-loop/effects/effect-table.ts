import type { StepKind, StepTable } from "../../../core/reconcile/steps.ts";
import type { LeaderFence, PlanOutcome } from "../../../ports/plan.ts";

/**
 * What each kind of step does. Every effect checks its precondition again in its own transaction, because a plan is of the
 * past: `stale` and `fenced` changed nothing. Throws `DATABASE_UNAVAILABLE`.
 */
export type EffectTable<Kinds extends StepKind> = StepTable<Kinds, [fence: LeaderFence], Promise<PlanOutcome>>;
