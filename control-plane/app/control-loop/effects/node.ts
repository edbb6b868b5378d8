import type { NodeSteps } from "../../../core/reconcile/steps.ts";
import type { PlanStore } from "../../../ports/plan.ts";
import type { EffectTable } from "./effect-table.ts";

/** Records what nodes have become, each with its event, in one fenced transaction. */
export const nodeEffects = (store: Pick<PlanStore, "announce">): EffectTable<keyof NodeSteps> => ({
  "node.announce": ({ transitions }, fence) => store.announce(fence, transitions),
});
