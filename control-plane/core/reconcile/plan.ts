import type { NodeState } from "../../../shared/api/v1/nodes/nodes.ts";
import { deploymentsOfPlacements, isWanted, unwantedPlacements } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement } from "../fleet/types.ts";
import { withPlacements } from "../fleet/with-placements.ts";
import { inPlaces } from "../scheduling/candidates/candidate-list.ts";
import { candidatesOf, type Candidate } from "../scheduling/candidates/candidate.ts";
import { placesIn } from "../scheduling/candidates/node-places.ts";
import { stateFor, type PlanContext } from "../scheduling/context.ts";
import { planAmong } from "../scheduling/planning/plan-among.ts";
import type { DeploymentPlan } from "../scheduling/planning/plan-deployment.ts";
import { plannedPlacement } from "../scheduling/planning/planned-placement.ts";
import { inOrder, withMinimums } from "./order.ts";
import { KeptPlans, settledPlan, type PlanMemory, type SettledPlan } from "./kept-plans.ts";
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
  /** Deployments whose decision is the one of the plan before, by name. */
  readonly kept: ReadonlySet<string>;
  /** For the next plan. */
  readonly memory: PlanMemory;
  /** When all decisions were last made anew, in ms of the fleet's clock. */
  readonly completeAt: number;
}

/** All decisions are made anew at least this often: bounds the delay if a change is missed. */
const COMPLETE_MS = 60_000;

/**
 * Plans for the whole fleet. Pure and deterministic: the same fleet and context give the same plan, whether `previous`, any
 * plan that was made before, is given or not. With it only the deployments that may be decided differently are looked at.
 */
export function planFleet(fleet: Fleet, context: PlanContext, previous?: FleetPlan): FleetPlan {
  return withMinimums(fleet, (first) => planInOrder(fleet, context, { previous, first }));
}

function planInOrder(
  fleet: Fleet,
  context: PlanContext,
  { previous, first }: { readonly previous: FleetPlan | undefined; readonly first: readonly string[] },
): FleetPlan {
  const nodeName = (placement: FleetPlacement): string => fleet.nodes.get(placement.nodeId)?.name ?? placement.nodeId;
  const steps: Step<keyof PlacementSteps>[] = [];
  const decisions = new Map<string, DeploymentPlan>();
  for (const placement of leaving(fleet)) {
    const isOrphan = placement.deployment === undefined || !fleet.deployments.has(placement.deployment);
    if (isWanted(placement) && isOrphan) {
      steps.push({ kind: "placement.remove", placement, node: nodeName(placement), why: "its deployment was deleted" });
    } else if (!isWanted(placement) && isGone(fleet, placement)) {
      steps.push({ kind: "placement.delete", placement, node: nodeName(placement) });
    }
  }

  const isComplete = previous === undefined || context.now - previous.completeAt >= COMPLETE_MS;
  const before = isComplete ? undefined : previous.memory;
  const keeping = new KeptPlans(fleet, context, before);
  const kept = new Set<string>();
  const settled = new Map<string, SettledPlan>();
  const preempted = new Set<string>();
  const decided = { leaving: new Set<string>(), coming: new Set<string>() };
  /** The fleet in which those that make room are to be gone, as the deployments after it see it. */
  let present = fleet;
  let candidates: readonly Candidate[] | undefined;
  let places = before?.places;
  const listed = (): readonly Candidate[] => {
    places = placesIn(fleet.nodes, places);
    const stateOf = (node: FleetNode): NodeState => stateFor(node, context);
    return inPlaces(candidatesOf(fleet, { stateOf, now: context.now, places }), places);
  };
  for (const deployment of inOrder(fleet, first)) {
    const same = preempted.has(deployment.name) ? undefined : keeping.of(deployment);
    if (same) {
      kept.add(deployment.name);
      settled.set(deployment.name, same);
      decisions.set(deployment.name, same.plan);
      continue;
    }
    candidates ??= listed();
    const made = planAmong(candidates, { fleet: present, deployment, context, decided });
    const { plan } = made;
    ({ candidates } = made);
    for (const { placement, why, by, reason } of plan.preempt) {
      preempted.add(placement.deployment ?? "");
      steps.push({ kind: "placement.remove", placement, node: nodeName(placement), why, preemptedBy: by, reason });
    }
    if (plan.preempt.length > 0) {
      const coming = comingInstead(deployment, plan, context.now);
      for (const { id } of coming) decided.coming.add(id);
      present = afterPreemption(present, plan, coming);
    }
    decisions.set(deployment.name, plan);
    const next = settledPlan(fleet, deployment, plan);
    if (next) settled.set(deployment.name, next);
    for (const { nodeId, node, record, attempt, version } of plan.create) {
      const { name, generation, spec } = deployment;
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
    for (const { placement, why, attempt } of plan.retry) {
      decided.coming.add(placement.id);
      steps.push({ kind: "placement.retry", placement, node: nodeName(placement), why, attempt });
    }
    for (const { placement, why, isBreak = false } of plan.remove) {
      decided.leaving.add(placement.id);
      steps.push({ kind: "placement.remove", placement, node: nodeName(placement), why, isBreak });
    }
  }
  const waits = [...decisions.values()].map(({ wakeAt }) => wakeAt).filter((at) => at !== undefined);
  return {
    steps,
    decisions,
    wakeAt: waits.length > 0 ? Math.min(...waits) : undefined,
    kept,
    memory: { ...keeping.memory, settled, places },
    completeAt: isComplete ? context.now : previous.completeAt,
  };
}

/** What comes for `deployment` where others make room. */
function comingInstead(deployment: FleetDeployment, plan: DeploymentPlan, now: number): readonly FleetPlacement[] {
  const { name, spec } = deployment;
  return plan.create.flatMap(({ nodeId, record: explain, version }) => {
    if (explain.victims === undefined) return [];
    const id = `planned-${name}-${nodeId}` as FleetPlacement["id"];
    return [plannedPlacement({ id, deployment: name, model: spec.model, version, nodeId, explain, now })];
  });
}

/** As the deployments after it have to see it: without what leaves, and with what comes instead. */
function afterPreemption(fleet: Fleet, { preempt }: DeploymentPlan, coming: readonly FleetPlacement[]): Fleet {
  const leaving = preempt.map(({ placement }) => ({ ...placement, wanted: "gone" as const }));
  return withPlacements(fleet, new Map([...leaving, ...coming].map((placement) => [placement.id, placement])));
}

/** Those that may have to be removed or deleted whatever is planned for deployments. */
function leaving(fleet: Fleet): Iterable<FleetPlacement> {
  const haveDeployments = deploymentsOfPlacements(fleet).every(
    (name) => name !== undefined && fleet.deployments.has(name),
  );
  return haveDeployments ? unwantedPlacements(fleet) : fleet.placements.values();
}

/** The node said so, or it will never say anything again. */
function isGone(fleet: Fleet, placement: FleetPlacement): boolean {
  const node = fleet.nodes.get(placement.nodeId);
  return placement.state === "gone" || node === undefined || node.revoked;
}
