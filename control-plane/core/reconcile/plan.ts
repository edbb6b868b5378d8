import { isWanted } from "../fleet/queries.ts";
import type { Fleet, FleetPlacement } from "../fleet/types.ts";
import { candidatesOf, type Candidate } from "../scheduling/candidate.ts";
import { stateFor, type PlanContext } from "../scheduling/context.ts";
import { planDeployment, type DeploymentPlan } from "../scheduling/planning/plan-deployment.ts";
import type { PlacementSteps, Step } from "./steps.ts";

export interface FleetPlan {
  /** From what is to what is declared; none when nothing is missing. */
  readonly steps: readonly Step<keyof PlacementSteps>[];
  /** What was decided for each deployment, by its name: the deployments' statuses follow from it. */
  readonly decisions: ReadonlyMap<string, DeploymentPlan>;
  /**
   * When this plan may differ though nothing has changed, in ms of the fleet's clock; undefined: never. The silence of
   * nodes is not in it.
   */
  readonly wakeAt: number | undefined;
}

/** Plans for the whole fleet. Pure and deterministic: the same fleet and context give the same plan. */
export function planFleet(fleet: Fleet, context: PlanContext): FleetPlan {
  const nodeName = (placement: FleetPlacement): string => fleet.nodes.get(placement.nodeId)?.name ?? placement.nodeId;
  const steps: Step<keyof PlacementSteps>[] = [];
  const decisions = new Map<string, DeploymentPlan>();
  for (const placement of fleet.placements.values()) {
    const isOrphan = placement.deployment === undefined || !fleet.deployments.has(placement.deployment);
    if (isWanted(placement) && isOrphan) {
      steps.push({ kind: "placement.remove", placement, node: nodeName(placement), why: "its deployment was deleted" });
    } else if (!isWanted(placement) && isGone(fleet, placement)) {
      steps.push({ kind: "placement.delete", placement, node: nodeName(placement) });
    }
  }

  let candidates: readonly Candidate[] = candidatesOf(fleet, {
    stateOf: (node) => stateFor(node, context),
    now: context.now,
  });
  for (const deployment of [...fleet.deployments.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const plan = planDeployment(fleet, deployment, context, candidates);
    candidates = plan.candidates;
    decisions.set(deployment.name, plan);
    for (const { nodeId, node, record, attempt } of plan.create) {
      const { name, generation, spec } = deployment;
      const version = plan.targetVersion;
      if (version === undefined) continue;
      steps.push({
        kind: "placement.create",
        deployment: name,
        deploymentGeneration: generation,
        model: spec.model,
        version,
        nodeId,
        node,
        record,
        attempt,
      });
    }
    for (const { placement, why, attempt } of plan.retry)
      steps.push({ kind: "placement.retry", placement, node: nodeName(placement), why, attempt });
    for (const { placement, why, isBreak = false } of plan.remove)
      steps.push({ kind: "placement.remove", placement, node: nodeName(placement), why, isBreak });
  }
  const waits = [...decisions.values()].map(({ wakeAt }) => wakeAt).filter((at) => at !== undefined);
  return { steps, decisions, wakeAt: waits.length > 0 ? Math.min(...waits) : undefined };
}

/** The node said so, or it will never say anything again. */
function isGone(fleet: Fleet, placement: FleetPlacement): boolean {
  const node = fleet.nodes.get(placement.nodeId);
  return placement.state === "gone" || node === undefined || node.revoked;
}
