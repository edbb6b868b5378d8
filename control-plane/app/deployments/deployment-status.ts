import type { Condition, Deployment, ReplicaCounts } from "../../../shared/api/v1/deployments.ts";
import type { NodeKind } from "../../../shared/api/v1/nodes.ts";
import { nodeState, type NodeTimings } from "../../core/fleet/node-status.ts";
import { activeVersion, isWanted, placementsOfDeployment, versionOf } from "../../core/fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetPlacement } from "../../core/fleet/types.ts";
import { counted } from "../../core/scheduling/format.ts";
import type { DeploymentPlan } from "../../core/scheduling/plan-deployment.ts";
import { age } from "../nodes/node-dto.ts";

/** What the status needs of a plan that is made now and not carried out. */
export type PlanFacts = Pick<DeploymentPlan, "targetVersion" | "wanted" | "shortfall" | "create" | "retry">;

interface Found {
  readonly edge: ReplicaCounts;
  readonly cloud: ReplicaCounts;
  /** Placements that are on their way to ready. */
  readonly moving: readonly FleetPlacement[];
  readonly failed: readonly FleetPlacement[];
  readonly plan: PlanFacts;
  readonly nameOf: (placement: FleetPlacement) => string;
}

/** The status of a deployment: counts, conditions and a sentence for whatever is missing. */
export function deploymentStatus(
  fleet: Fleet,
  deployment: FleetDeployment,
  context: { readonly plan: PlanFacts; readonly now: number; readonly timings: NodeTimings; readonly url: string },
): Deployment["status"] {
  const { plan, now, timings } = context;
  const placements = placementsOfDeployment(fleet, deployment.name).filter(isWanted);
  const isServing = (placement: FleetPlacement): boolean => {
    const node = fleet.nodes.get(placement.nodeId);
    return placement.state === "ready" && node !== undefined && nodeState(node, now, timings) === "ready";
  };
  const countsOf = (kind: NodeKind): ReplicaCounts => {
    const mine = placements.filter((placement) => fleet.nodes.get(placement.nodeId)?.kind === kind);
    const current = mine.filter((placement) => placement.version === plan.targetVersion);
    return { wanted: plan.wanted[kind], placed: current.length, ready: current.filter(isServing).length };
  };
  const found: Found = {
    edge: countsOf("edge"),
    cloud: countsOf("cloud"),
    moving: placements.filter(({ state }) => state !== "ready" && state !== "failed"),
    failed: placements.filter(({ state }) => state === "failed"),
    plan,
    nameOf: (placement) => fleet.nodes.get(placement.nodeId)?.name ?? placement.nodeId,
  };
  const active = activeVersion(fleet, deployment, placements.filter(isServing));
  const newest = Math.max(...placements.map(({ stateSince }) => stateSince));
  return {
    observedGeneration: deployment.generation,
    conditions: [ready(found, active), progressing(found), stalled(found, missingVersion(fleet, deployment, plan))],
    activeVersion: active ?? null,
    targetVersion: plan.targetVersion ?? null,
    edge: found.edge,
    cloud: found.cloud,
    url: context.url,
    unplaced: [...plan.shortfall],
    changedAgeMs: placements.length === 0 ? null : age(now, newest),
  };
}

/** True only when the version that is asked for also is the one that answers. */
function ready({ edge, cloud, plan }: Found, active: number | undefined): Condition {
  const wanted = edge.wanted + cloud.wanted;
  const there = Math.min(edge.ready, edge.wanted) + Math.min(cloud.ready, cloud.wanted);
  const message = `${there} of ${counted(wanted, "replica")} ready`;
  if (plan.targetVersion === undefined || (wanted === 0 && plan.shortfall.length > 0)) {
    return {
      type: "Ready",
      status: "False",
      reason: "VersionUnavailable",
      message: plan.shortfall[0] ?? "the version is not available",
    };
  }
  if (wanted === 0)
    return { type: "Ready", status: "True", reason: "NoReplicasWanted", message: "the spec asks for no replica" };
  const isActive = active === plan.targetVersion;
  if (there === wanted && isActive) return { type: "Ready", status: "True", reason: "AllReplicasReady", message };
  if (there > 0 && there < wanted) return { type: "Ready", status: "False", reason: "ReplicasMissing", message };
  if (active !== undefined)
    return {
      type: "Ready",
      status: "False",
      reason: "OldVersionServes",
      message: `${message}; version ${active} answers`,
    };
  return { type: "Ready", status: "False", reason: "NoReplicaReady", message };
}

function progressing({ moving, plan, failed }: Found): Condition {
  if (moving.length > 0) {
    const states = [...Map.groupBy(moving, ({ state }) => state)].map(([state, group]) => `${group.length} ${state}`);
    return { type: "Progressing", status: "True", reason: "PlacementsMoving", message: states.join(", ") };
  }
  const planned = plan.create.length + plan.retry.length;
  if (planned > 0) {
    return {
      type: "Progressing",
      status: "True",
      reason: "PlacementsPlanned",
      message: `${counted(planned, "placement")} about to start`,
    };
  }
  const isDone = failed.length === 0 && plan.shortfall.length === 0;
  return {
    type: "Progressing",
    status: "False",
    reason: isDone ? "Complete" : "NothingToDo",
    message: isDone
      ? "every replica is where it should be"
      : "nothing moves until the cause named under Stalled is gone",
  };
}

function stalled({ failed, plan, nameOf }: Found, versionReason: string | undefined): Condition {
  const failures = failed.map(
    (placement) =>
      `${placement.model}:${placement.version} failed on ${nameOf(placement)}: ${placement.failure?.code ?? "unknown"}`,
  );
  const message = [...plan.shortfall, ...failures].join("; ");
  if (message === "")
    return { type: "Stalled", status: "False", reason: "NothingInTheWay", message: "nothing is in the way" };
  const reason = versionReason ?? (plan.shortfall.length > 0 ? "NoEligibleNode" : "PlacementFailed");
  return { type: "Stalled", status: "True", reason, message };
}

/** Why the version itself keeps the deployment from going on; undefined when it does not. */
function missingVersion(fleet: Fleet, { spec }: FleetDeployment, { targetVersion }: PlanFacts): string | undefined {
  if (targetVersion === undefined) return "AliasNotFound";
  const version = versionOf(fleet, spec.model, targetVersion);
  if (!version) return "VersionNotFound";
  if (version.state === "rejected") return "VersionRejected";
  return version.state === "ready" ? undefined : "VersionNotReady";
}
