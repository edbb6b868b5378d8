import type { RolloutSteps } from "../../../core/reconcile/steps.ts";
import { factsOf, type RolloutFacts } from "../../../core/rollout/facts.ts";
import type { PlanStore } from "../../../ports/plan.ts";
import type { EffectTable } from "./effect-table.ts";

interface Parts {
  readonly plans: Pick<PlanStore, "writeRollout">;
  /** In ms of the fleet's clock. */
  readonly now: () => number;
  /** Called with what was written. */
  readonly onRollout: (facts: RolloutFacts) => void;
}

/** Writes a rollout's record, with its events, in one fenced transaction. */
export const rolloutEffects = ({ plans, now, onRollout }: Parts): EffectTable<keyof RolloutSteps> => ({
  "rollout.write": async ({ deployment, generation, before, newest, next }, fence) => {
    const written = await plans.writeRollout(fence, {
      deployment,
      generation,
      before: before && { number: before.number, revision: before.revision, nodes: before.record.nodes },
      newest: newest?.record,
      next: next?.record,
      events: [newest, next].flatMap((change) =>
        (change?.events ?? []).map((event) => ({ ...event, object: `deployment/${deployment}` })),
      ),
    });
    if (written === "committed") {
      const was = before && { record: before.record, phaseMs: now() - before.phaseSince };
      onRollout(factsOf(deployment, { before: was, newest, next }));
    }
    return written;
  },
});
