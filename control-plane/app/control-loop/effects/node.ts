import type { NodeSteps } from "../../../core/reconcile/steps.ts";
import type { PlanStore } from "../../../ports/plan.ts";
import type { EffectTable } from "./effect-table.ts";

/** Records what nodes have become, each with its event, in one fenced transaction. */
export const nodeEffects = (store: Pick<PlanStore, "announce" | "announceDrains">): EffectTable<keyof NodeSteps> => ({
  "node.announce": ({ transitions }, fence) => store.announce(fence, transitions),
  "node.announce-drains": ({ drains }, fence) => store.announceDrains(fence, drains),
});
