import { newId, type PlacementId } from "../../../shared/base/ids.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { Step } from "../../core/reconcile/steps.ts";
import type { LeaderFence, PlanOutcome, PlanStore } from "../../ports/plan.ts";

type Effects = {
  readonly [Kind in Step["kind"]]: (step: Extract<Step, { kind: Kind }>, fence: LeaderFence) => Promise<PlanOutcome>;
};

/** Turns steps into effects: one table, in which a missing entry does not compile. */
export class Executor {
  readonly #effects: Effects;

  constructor(ports: { store: PlanStore; random: Random }) {
    this.#effects = effectsOn(ports.store, ports.random);
  }

  /** `fenced` and `stale` changed nothing. Throws `DATABASE_UNAVAILABLE`. */
  execute(step: Step, fence: LeaderFence): Promise<PlanOutcome> {
    switch (step.kind) {
      case "create-placement":
        return this.#effects[step.kind](step, fence);
      case "retry-placement":
        return this.#effects[step.kind](step, fence);
      case "retire-placement":
        return this.#effects[step.kind](step, fence);
      case "forget-placement":
        return this.#effects[step.kind](step, fence);
    }
  }
}

const effectsOn = (store: PlanStore, random: Random): Effects => ({
  "create-placement": (step, fence) => {
    const { deployment, deploymentGeneration, model, version, nodeId, record } = step;
    const id = newId<PlacementId>("p", random);
    return store.createPlacement(
      fence,
      { id, deployment, deploymentGeneration, model, version, nodeId, explain: record },
      { type: "Normal", reason: "PlacementDecided", object: `deployment/${deployment}`, message: record.sentence },
    );
  },
  "retry-placement": ({ placement, node }, fence) =>
    store.retryPlacement(fence, placement, {
      type: "Normal",
      reason: "PlacementRetried",
      object: `deployment/${placement.deployment ?? ""}`,
      message: `${placement.model}:${placement.version} is tried on ${node} again after ${placement.failure?.code ?? "a failure"}`,
    }),
  "retire-placement": ({ placement, node, why }, fence) =>
    store.retirePlacement(fence, placement, {
      type: "Normal",
      reason: "PlacementRetired",
      object: `deployment/${placement.deployment ?? placement.model}`,
      message: `${placement.model}:${placement.version} leaves ${node}: ${why}`,
    }),
  "forget-placement": ({ placement, node }, fence) =>
    store.forgetPlacement(fence, placement, {
      type: "Normal",
      reason: "PlacementGone",
      object: `node/${node}`,
      message: `${node} no longer holds ${placement.model}:${placement.version}`,
    }),
});
