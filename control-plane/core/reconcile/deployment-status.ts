import {
  type Condition,
  type DeploymentFindings,
  LIMITS_CHANGING,
  type ReplicaCounts,
} from "../../../shared/api/v1/deployments/deployments.ts";
import type { NodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import { ENDED_PHASES, type RolloutRecord } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { isEqual } from "../fleet/changes/equal.ts";
import { isServing, versionOf } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetPlacement } from "../fleet/types.ts";
import { hasAskedVariant, lacksVariant } from "../fleet/versions/variants.ts";
import { isGivenUp, MAX_LOAD_FAILURES } from "../fleet/versions/version-history.ts";
import { declaredVersion, rolloutOf, sharesOf } from "../fleet/versions/versions.ts";
import { canGrow } from "../scaling/replica-targets.ts";
import type { PlanContext } from "../scheduling/context.ts";
import { untilWhat } from "../scheduling/filters/no-recent-failure.ts";
import { counted } from "../scheduling/format.ts";
import type { DeploymentPlan } from "../scheduling/planning/plan-deployment.ts";
import { cloudCapacity, type CloudCapacity } from "./cloud-capacity.ts";
import type { FleetPlan } from "./plan.ts";

interface Found extends CloudCapacity {
  readonly edge: ReplicaCounts;
  readonly cloud: ReplicaCounts;
  /** Placements that are on their way to ready. */
  readonly moving: readonly FleetPlacement[];
  readonly failed: readonly FleetPlacement[];
  /** Nodes that serve it and do not hold its memory limit yet, by name, and that limit, in MiB. */
  readonly raising: { readonly nodes: readonly string[]; readonly limitMiB: number };
  readonly plan: DeploymentPlan;
  /** Why no replica is wanted, when none is. */
  readonly whyNone: string;
  readonly nameOf: (placement: FleetPlacement) => string;
  /** What is said of a placement that is not tried again by itself; empty: it is. */
  readonly lastTry: (placement: FleetPlacement) => string;
  /** Its newest rollout, unless that is done and is at what is declared. */
  readonly rollout: RolloutRecord | undefined;
  /** Why no rollout begins to the version that is declared; undefined: it is no matter of the version. */
  readonly noRollout: { readonly reason: string; readonly message: string } | undefined;
}

/** By the name of the deployment. */
export type Findings = ReadonlyMap<string, DeploymentFindings>;

/**
 * What is so of each deployment that was planned for. `known`: the findings of the plan before; those of a kept decision
 * are the same.
 */
export function findingsOf(
  fleet: Fleet,
  { decisions, kept }: Pick<FleetPlan, "decisions" | "kept">,
  context: PlanContext & {
    readonly known?: Findings | undefined;
    /** What is recorded of how its numbers of replicas went; undefined: nothing. */
    readonly scalingOf?: (deployment: string) => DeploymentFindings["scaling"];
  },
): Findings {
  const findings = new Map<string, DeploymentFindings>();
  for (const [name, plan] of decisions) {
    const deployment = fleet.deployments.get(name);
    const known = kept.has(name) ? context.known?.get(name) : undefined;
    if (!deployment) continue;
    const found = known ?? deploymentFindings(fleet, deployment, { ...context, plan });
    const scaling = context.scalingOf?.(name);
    findings.set(name, isEqual(found.scaling, scaling) ? found : withScaling(found, scaling));
  }
  return findings;
}

/** Left out when there is nothing to be said. */
const withScaling = (findings: DeploymentFindings, scaling: DeploymentFindings["scaling"]): DeploymentFindings => ({
  conditions: findings.conditions,
  activeVersion: findings.activeVersion,
  targetVersion: findings.targetVersion,
  edge: findings.edge,
  cloud: findings.cloud,
  unplaced: findings.unplaced,
  ...(scaling && { scaling }),
});

/** What is so of a deployment: counts, conditions and a sentence for everything that is missing. */
export function deploymentFindings(
  fleet: Fleet,
  deployment: FleetDeployment,
  { plan, ...context }: PlanContext & { readonly plan: DeploymentPlan },
): DeploymentFindings {
  const { placements } = plan;
  const serves = (placement: FleetPlacement): boolean => isServing(fleet, placement, context);
  const countsOf = (kind: NodeKind): ReplicaCounts => {
    const ofKind = placements.filter((placement) => fleet.nodes.get(placement.nodeId)?.kind === kind);
    const current = ofKind.filter(
      (placement) => placement.version === plan.targetVersion && hasAskedVariant(placement, deployment.spec),
    );
    return { wanted: plan.wanted[kind], placed: current.length, ready: current.filter(serves).length };
  };
  const nameOf = (placement: FleetPlacement): string => fleet.nodes.get(placement.nodeId)?.name ?? placement.nodeId;
  const { memMiB = 0 } = deployment.spec.limits;
  const found: Found = {
    edge: countsOf("edge"),
    cloud: countsOf("cloud"),
    moving: placements.filter(
      (placement) => !["ready", "failed"].includes(placement.state) && !plan.stalled.includes(placement),
    ),
    failed: placements.filter(
      (placement) => placement.state === "failed" && !plan.retry.some((retry) => retry.placement === placement),
    ),
    raising: {
      nodes: placements
        .filter((placement) => serves(placement) && isBelow(placement, memMiB))
        .map(nameOf)
        .toSorted(),
      limitMiB: memMiB,
    },
    plan,
    ...cloudCapacity(deployment, plan, context.pools ?? []),
    whyNone: whyNone(deployment),
    nameOf,
    lastTry: (placement) => lastTry(fleet, placement),
    rollout: unfinished(fleet, deployment),
    noRollout: whyNoRollout(fleet, deployment, plan),
  };
  const [share] = sharesOf(fleet, deployment, placements.filter(serves)).toSorted((a, b) => b.weight - a.weight);
  const active = share?.version;
  return {
    conditions: [ready(found, active), progressing(found), stalled(found, missingVersion(fleet, deployment, plan))],
    activeVersion: active ?? null,
    targetVersion: found.rollout?.declared ?? plan.targetVersion ?? null,
    edge: found.edge,
    cloud: found.cloud,
    unplaced: [...plan.shortfall],
  };
}

function lastTry(fleet: Fleet, placement: FleetPlacement): string {
  const node = fleet.nodes.get(placement.nodeId);
  const isLast = node !== undefined && placement.attempt !== undefined && isGivenUp(node, placement, placement.attempt);
  return isLast ? `, ${MAX_LOAD_FAILURES} times in a row; ${untilWhat(placement.deployment ?? "")}` : "";
}

function unfinished(fleet: Fleet, deployment: FleetDeployment): RolloutRecord | undefined {
  const record = rolloutOf(deployment)?.record;
  if (!record || (record.phase === "promoted" && record.to === declaredVersion(fleet, deployment))) return undefined;
  return record.phase === "rolled-back" && record.from === declaredVersion(fleet, deployment) ? undefined : record;
}

function whyNoRollout(fleet: Fleet, deployment: FleetDeployment, plan: DeploymentPlan): Found["noRollout"] {
  const { model, rollout } = deployment.spec;
  const declared = declaredVersion(fleet, deployment);
  if (rollout === undefined || declared === undefined || declared === plan.targetVersion) return undefined;
  const version = versionOf(fleet, model, declared);
  if (version?.state === "ready") return undefined;
  const is = version === undefined ? "does not exist" : `is ${version.state}`;
  const message = `${model}:${declared} ${is}, so no rollout to it begins`;
  if (version === undefined) return { reason: "VersionNotFound", message };
  return { reason: version.state === "rejected" ? "VersionRejected" : "VersionNotReady", message };
}

function whyNone({ spec }: FleetDeployment): string {
  if (spec.paused === true) return "the deployment is paused";
  return canGrow(spec) ? "no request asks for it; the first one starts a replica" : "the spec asks for no replica";
}

/** True only when the version that is asked for also is the one that answers. */
function ready({ edge, cloud, plan, whyNone, rollout, noRollout }: Found, active: number | undefined): Condition {
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
  if (wanted === 0) {
    return { type: "Ready", status: "True", reason: "NoReplicasWanted", message: whyNone };
  }
  const isActive = active === plan.targetVersion && rollout === undefined && noRollout === undefined;
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

/** Whether its running host has a lower limit than is declared; an older agent does not tell. */
const isBelow = ({ limitMiB = 0 }: FleetPlacement, memMiB: number): boolean => limitMiB > 0 && limitMiB < memMiB;

function progressing({ moving, plan, failed, raising, shortfall, waitsForNodes, rollout }: Found): Condition {
  if (rollout && isUnderWay(rollout)) {
    const { reason, waitsFor } = rollout;
    const message = [reason, ...(waitsFor ? [waitsFor.sentence] : []), ...plan.waiting.toSorted()].join("; ");
    return { type: "Progressing", status: "True", reason: waitsFor ? "RolloutWaiting" : "RolloutRunning", message };
  }
  if (moving.length > 0) {
    const states = [...Map.groupBy(moving, ({ state }) => state)]
      .map(([state, group]) => `${group.length} ${state}`)
      .toSorted();
    const cause = plan.makingRoom.length > 0 ? "MakingRoom" : "PlacementsMoving";
    const reason = plan.waiting.length > 0 ? "OldVersionInTheWay" : cause;
    const message = [states.join(", "), ...plan.waiting.toSorted(), ...plan.makingRoom.toSorted()].join("; ");
    return { type: "Progressing", status: "True", reason, message };
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
  if (raising.nodes.length > 0) {
    const message = `the memory limit of ${raising.limitMiB} MiB does not hold yet on ${raising.nodes.join(", ")}`;
    return { type: "Progressing", status: "True", reason: LIMITS_CHANGING, message };
  }
  if (waitsForNodes !== undefined)
    return { type: "Progressing", status: "True", reason: "WaitingForCloudNodes", message: waitsForNodes };
  const isDone = failed.length + shortfall.length + plan.stalled.length + plan.held.length === 0;
  return {
    type: "Progressing",
    status: "False",
    reason: isDone ? "Complete" : "NothingToDo",
    message: isDone
      ? "every replica is where it should be"
      : "nothing moves until the cause named under Stalled is gone",
  };
}

const isUnderWay = ({ phase }: RolloutRecord): boolean => phase !== "paused" && !ENDED_PHASES.includes(phase);

function stalled(
  { failed, plan, shortfall, nameOf, lastTry, rollout, noRollout }: Found,
  versionReason: string | undefined,
): Condition {
  if (noRollout) return { type: "Stalled", status: "True", ...noRollout };
  if (rollout && !isUnderWay(rollout)) {
    const reason = rollout.phase === "paused" ? "RolloutPaused" : "RolledBack";
    return { type: "Stalled", status: "True", reason, message: rollout.reason };
  }
  const failures = failed
    .map(
      (placement) =>
        `${placement.model}:${placement.version} failed on ${nameOf(placement)}: ${placement.failure?.code ?? "unknown"}${lastTry(placement)}`,
    )
    .toSorted();
  const silent = plan.stalled
    .map(
      (placement) =>
        `${placement.model}:${placement.version} makes no progress on ${nameOf(placement)}, where it is ${placement.state}`,
    )
    .toSorted();
  const preempted = shortfall.length > 0 ? plan.preempted : [];
  const message = [...plan.held, ...preempted, ...shortfall, ...failures, ...silent].join("; ");
  if (message === "")
    return { type: "Stalled", status: "False", reason: "NothingInTheWay", message: "nothing is in the way" };
  const waits = plan.held.length > 0 ? "EvacuationHeld" : undefined;
  const cause = silent.length > 0 ? "PlacementStalled" : waits;
  const noRoom = preempted.length > 0 ? "Preempted" : "NoEligibleNode";
  const reason = versionReason ?? cause ?? (shortfall.length > 0 ? noRoom : "PlacementFailed");
  return { type: "Stalled", status: "True", reason, message };
}

/** Why the version itself keeps the deployment from going on; undefined when it does not. */
function missingVersion(
  fleet: Fleet,
  { spec }: FleetDeployment,
  { targetVersion, shortfall }: DeploymentPlan,
): string | undefined {
  if (targetVersion === undefined) return "AliasNotFound";
  const version = versionOf(fleet, spec.model, targetVersion);
  if (!version) return "VersionNotFound";
  if (version.damage !== undefined && shortfall.length > 0) return "VersionDamaged";
  if (version.state === "rejected") return "VersionRejected";
  if (lacksVariant(version, spec) !== undefined) return "VariantNotFound";
  return version.state === "ready" ? undefined : "VersionNotReady";
}
