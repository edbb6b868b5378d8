import type {
  PlannedDeployment,
  PlannedStep,
  PlanRequest,
  PlanResponse,
} from "../../../shared/api/v1/deployments/plan.ts";
import { canonicalJson } from "../../../shared/base/digest.ts";
import { invalidFields } from "../../../shared/base/invalid-fields.ts";
import { isServing, isWanted, placementsOfDeployment } from "../../core/fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetPlacement } from "../../core/fleet/types.ts";
import { deploymentFindings } from "../../core/reconcile/deployment-status.ts";
import { candidatesOf } from "../../core/scheduling/candidates/candidate.ts";
import { stateFor, type PlanContext } from "../../core/scheduling/context.ts";
import type { DeploymentPlan } from "../../core/scheduling/planning/plan-deployment.ts";
import { refusalsOf } from "../../core/scheduling/explaining/refusals.ts";
import { changedFleet } from "../../core/what-if/fleet-changes.ts";
import { whatIf, type Round } from "../../core/what-if/what-if.ts";
import { wrongNames } from "../../core/what-if/wrong-names.ts";

/** A plan for a large fleet takes a second: a question takes a few, and the rest of the control plane runs between its rounds. */
const MAX_MS = 5_000;
/** Named refusals of one answer: about 3 MB. */
const MAX_REFUSALS = 20_000;

/**
 * What the control loop would do with the fleet if the changes of the question were made now. Nothing is applied. Throws
 * `INVALID_REQUEST` for names of objects that are not there, with the fields that they are in. `elapsedMs`: since the question
 * was asked.
 */
export async function answerPlan(
  fleet: Fleet,
  question: PlanRequest,
  {
    elapsedMs,
    pause,
    ...context
  }: PlanContext & {
    readonly elapsedMs: () => number;
    /** Between rounds: the sockets of nodes and callers have their turn. */
    readonly pause: () => Promise<void>;
  },
): Promise<PlanResponse> {
  const wrong = wrongNames(fleet, question);
  if (wrong.length > 0) throw invalidFields("body", wrong);
  const rounds: Round[] = [];
  for (const round of whatIf(changedFleet(fleet, question, context.now), context)) {
    rounds.push(round);
    if (elapsedMs() > MAX_MS) break;
    await pause();
  }
  return toAnswer(fleet, question, { rounds, context });
}

function toAnswer(
  before: Fleet,
  question: PlanRequest,
  { rounds, context }: { readonly rounds: readonly Round[]; readonly context: PlanContext },
): PlanResponse {
  const last = rounds.at(-1);
  const fleet = last?.fleet ?? before;
  const candidates = candidatesOf(fleet, { stateOf: (node) => stateFor(node, context), now: context.now });
  const steps = rounds.flatMap((round, index) => stepsOf(round, index + 1));
  const changed = specChanges(before, question);
  let left = MAX_REFUSALS;
  const deployments = (last === undefined ? [] : [...last.plan.decisions]).map(([name, plan]): PlannedDeployment => {
    const deployment = fleet.deployments.get(name);
    const isShort = deployment !== undefined && plan.shortfall.length > 0;
    const refusals = isShort ? refusalsOf(candidates, { fleet, deployment, plan, context }) : [];
    const shown = refusals.slice(0, left);
    left -= shown.length;
    return {
      deployment: name,
      spec: changed.get(name) ?? "none",
      targetVersion: plan.targetVersion ?? null,
      before: countsOf(before.deployments.get(name)),
      ...(deployment
        ? held(fleet, deployment, { plan, context })
        : { after: { edge: NO_REPLICAS, cloud: NO_REPLICAS }, nodes: [], unplaced: [] }),
      refusals: shown,
      refusalsLeftOut: refusals.length - shown.length,
    };
  });
  const removed = question.deployments.remove.map((name): PlannedDeployment => ({
    deployment: name,
    spec: "remove",
    targetVersion: null,
    before: countsOf(before.deployments.get(name)),
    after: { edge: NO_REPLICAS, cloud: NO_REPLICAS },
    nodes: [],
    unplaced: [],
    refusals: [],
    refusalsLeftOut: 0,
  }));
  return {
    changes: steps.length > 0 || changed.size > 0,
    rounds: steps.at(-1)?.round ?? 0,
    settled: last?.isLast ?? false,
    steps,
    deployments: [...deployments, ...removed],
  };
}

const NO_REPLICAS = { wanted: 0, placed: 0, ready: 0 };

function stepsOf({ fleet, plan: { steps } }: Round, round: number): readonly PlannedStep[] {
  const kindOf = (nodeId: string) => fleet.nodes.get(nodeId)?.kind ?? null;
  return steps.flatMap((step): PlannedStep[] => {
    if (step.kind === "placement.delete") return [];
    if (step.kind === "placement.create") {
      const { deployment, model, version, node, nodeId, record } = step;
      return [{ round, action: "place", deployment, model, version, node, kind: kindOf(nodeId), why: record.sentence }];
    }
    const { placement, node } = step;
    const { deployment = null, model, version, nodeId } = placement;
    const where = { round, deployment, model, version, node, kind: kindOf(nodeId) };
    if (step.kind === "placement.remove") return [{ ...where, action: "remove", why: step.why }];
    const why = `it failed there (${placement.failure?.code ?? "unknown"}) and is tried again: ${step.why}`;
    return [{ ...where, action: "retry", why }];
  });
}

/** What is so of a deployment when the last round is over. */
function held(
  fleet: Fleet,
  deployment: FleetDeployment,
  { plan, context }: { readonly plan: DeploymentPlan; readonly context: PlanContext },
): Pick<PlannedDeployment, "after" | "nodes" | "unplaced"> {
  const { edge, cloud } = deploymentFindings(fleet, deployment, { ...context, plan });
  const serving = placementsOfDeployment(fleet, deployment.name).filter(
    (placement: FleetPlacement) => isWanted(placement) && isServing(fleet, placement, context),
  );
  const nodes = new Set(serving.map(({ nodeId }) => fleet.nodes.get(nodeId)?.name ?? nodeId));
  const { records, shortfall } = plan;
  return {
    after: { edge, cloud },
    nodes: [...nodes].toSorted(),
    // A question is about now, so its sentences have ages and free sizes, which those of a status do not have.
    unplaced:
      records.length === 0
        ? [...shortfall]
        : records.filter(({ chosen }) => chosen.length === 0).map(({ sentence }) => sentence),
  };
}

const countsOf = (deployment: FleetDeployment | undefined): PlannedDeployment["before"] =>
  deployment?.status ? { edge: deployment.status.findings.edge, cloud: deployment.status.findings.cloud } : null;

function specChanges(
  fleet: Fleet,
  { deployments: { apply, remove } }: PlanRequest,
): ReadonlyMap<string, PlannedDeployment["spec"]> {
  const changes = new Map<string, PlannedDeployment["spec"]>(remove.map((name) => [name, "remove"]));
  for (const spec of apply) {
    const known = fleet.deployments.get(spec.name);
    if (!known) changes.set(spec.name, "create");
    else if (canonicalJson(known.spec) !== canonicalJson(spec)) changes.set(spec.name, "update");
  }
  return changes;
}
