import type { StatusSteps } from "../../../core/reconcile/steps.ts";
import type { PlanStore } from "../../../ports/plan.ts";
import type { EffectTable } from "./effect-table.ts";

/** Writes what the plan found of a deployment, for every replica to read; with an event when something is in its way. */
export const statusEffects = (store: Pick<PlanStore, "writeStatus">): EffectTable<keyof StatusSteps> => ({
  "status.write": ({ deployment, generation, findings, events }, fence) =>
    store.writeStatus(
      fence,
      { deployment, generation, findings },
      events.map((event) => ({ ...event, object: `deployment/${deployment}` })),
    ),
});
