import type { RolloutSteps } from "../../../core/reconcile/steps.ts";
import type { PlanStore } from "../../../ports/plan.ts";
import type { EffectTable } from "./effect-table.ts";

/** Writes a rollout's record, with its events, in one fenced transaction. */
export const rolloutEffects = (store: Pick<PlanStore, "writeRollout">): EffectTable<keyof RolloutSteps> => ({
  "rollout.write": ({ deployment, generation, before, newest, next }, fence) =>
    store.writeRollout(fence, {
      deployment,
      generation,
      before: before && { number: before.number, revision: before.revision, nodes: before.record.nodes },
      newest: newest?.record,
      next: next?.record,
      events: [newest, next].flatMap((change) =>
        (change?.events ?? []).map((event) => ({ ...event, object: `deployment/${deployment}` })),
      ),
    }),
});
