import { newId, type PlacementId } from "../../../../shared/base/ids.ts";
import type { Random } from "../../../../shared/base/random.ts";
import type { PlacementSteps, Step } from "../../../core/reconcile/steps.ts";
import type { NewEvent } from "../../../ports/events.ts";
import type { PlacementCreation, PlanStore } from "../../../ports/plan.ts";
import type { EffectTable } from "./effect-table.ts";

/** Changes rows of placements, each with its event, in one fenced transaction. */
export const placementEffects = (store: PlanStore, random: Random): EffectTable<keyof PlacementSteps> => ({
  "placement.create": (step, fence) => store.createPlacements(fence, [creationOf(step, random)]),
  "placement.retry": ({ placement, node, why, attempt }, fence) => {
    const { id, generation, deployment = "", model, version, failure } = placement;
    const message = `${model}:${version} is tried on ${node} again after ${failure?.code ?? "a failure"}: ${why}`;
    return store.retryPlacement(
      fence,
      { id, generation, attempt },
      { type: "Normal", reason: "PlacementRetried", object: `deployment/${deployment}`, message },
    );
  },
  "placement.remove": ({ placement, node, why, isBreak, preemptedBy, reason }, fence) => {
    const isEvicted = reason === "minimum" || reason === "demand";
    const forRoom = isEvicted ? "PlacementEvicted" : "PlacementPreempted";
    const event: NewEvent = {
      type: isBreak === true || preemptedBy !== undefined ? "Warning" : "Normal",
      reason: preemptedBy === undefined ? "PlacementRemoved" : forRoom,
      object: `deployment/${placement.deployment ?? placement.model}`,
      message: `${placement.model}:${placement.version} leaves ${node}: ${why}`,
    };
    return store.removePlacement(fence, { ...placement, isEvicted }, event);
  },
  "placement.delete": ({ placement, node }, fence) =>
    store.deletePlacement(fence, placement, {
      type: "Normal",
      reason: "PlacementGone",
      object: `node/${node}`,
      message: `${node} no longer holds ${placement.model}:${placement.version}`,
    }),
});

/** What a step writes: the row of the placement and its event. */
export function creationOf(step: Step<"placement.create">, random: Random): PlacementCreation {
  const { deployment, deploymentGeneration, model, version, nodeId, record, attempt } = step;
  const id = newId<PlacementId>("p", random);
  return {
    placement: { id, deployment, deploymentGeneration, model, version, nodeId, explain: record, attempt },
    event: {
      type: "Normal",
      reason: "PlacementScheduled",
      object: `deployment/${deployment}`,
      message: record.sentence,
    },
    ...(record.thrashing === true && {
      warning: {
        type: "Warning",
        reason: "Thrashing",
        object: `deployment/${deployment}`,
        message: `${model}:${version} comes back to ${step.node}: ${record.sentence}`,
      },
    }),
  };
}
