import { nodeKind, type NodeKind } from "../../../../shared/api/v1/nodes/nodes.ts";
import { RUNNING_PHASES } from "../../../../shared/api/v1/rollouts/rollouts.ts";
import type { VersionShare } from "../../routing/version-split.ts";
import { isWanted, placementsOfDeployment } from "../queries.ts";
import { aliasKey, type Fleet, type FleetDeployment, type FleetPlacement, type FleetRollout } from "../types.ts";

/** The number that a deployment's `version` means now; undefined while its alias does not exist. */
export function declaredVersion(fleet: Fleet, { spec }: FleetDeployment): number | undefined {
  const { model, version } = spec;
  return typeof version === "number" ? version : fleet.aliases.get(aliasKey(model, version));
}

/** The newest rollout of a deployment, while that one says at which version it is. */
export const rolloutOf = ({ spec, rollout }: FleetDeployment): FleetRollout | undefined =>
  spec.rollout !== undefined && rollout?.record.current === true && rollout.record.model === spec.model
    ? rollout
    : undefined;

/** The rollout that is between two versions now; one that returns is at its old version already. */
export function runningRollout(deployment: FleetDeployment): FleetRollout | undefined {
  const rollout = rolloutOf(deployment);
  return rollout && RUNNING_PHASES.includes(rollout.record.phase) ? rollout : undefined;
}

/**
 * The version that all replicas of a deployment are to have, but for those that a running rollout moves to another one:
 * what the spec declares, or, with rollouts, what the newest one has arrived at. Undefined while its alias does not exist.
 */
export function targetVersion(fleet: Fleet, deployment: FleetDeployment): number | undefined {
  const declared = declaredVersion(fleet, deployment);
  if (deployment.spec.rollout === undefined || declared === undefined) return declared;
  const record = rolloutOf(deployment)?.record;
  if (record) return record.phase === "promoted" ? record.to : record.from;
  return versionBefore(fleet, deployment, declared);
}

/** Of a deployment without a rollout so far: the declared version as soon as a replica has it, before that the one that most have. */
function versionBefore(fleet: Fleet, { name, spec }: FleetDeployment, declared: number): number {
  const present = placementsOfDeployment(fleet, name).filter((each) => isWanted(each) && each.model === spec.model);
  if (present.some(({ version }) => version === declared)) return declared;
  const counts = [...Map.groupBy(present, ({ version }) => version)].map(([version, group]) => ({
    version,
    ready: group.filter(({ state }) => state === "ready").length,
    count: group.length,
  }));
  const [first] = counts.toSorted((a, b) => b.ready - a.ready || b.count - a.count || b.version - a.version);
  return first?.version ?? declared;
}

/**
 * Who answers requests that name no version, of a deployment's serving placements. A rollout's record says it, as far as its
 * versions answer; else it is the active version. Empty when nothing serves.
 */
export function sharesOf(
  fleet: Fleet,
  deployment: FleetDeployment,
  serving: readonly FleetPlacement[],
): readonly VersionShare[] {
  const record = rolloutOf(deployment)?.record;
  const answering = new Set(serving.map(({ version }) => version));
  const split = record === undefined ? [] : splitOf(record).filter(({ version }) => answering.has(version));
  const shares = split.filter(({ weight }) => weight > 0);
  if (shares.length > 0) return shares;
  if (split[0]) return [{ version: split[0].version, weight: 1 }];
  const active = activeVersion(fleet, deployment, serving);
  return active === undefined ? [] : [{ version: active, weight: 1 }];
}

function splitOf({ phase, from, to, share }: FleetRollout["record"]): readonly VersionShare[] {
  if (phase === "promoted") return share === 100 ? [{ version: to, weight: 100 }] : [];
  return [
    { version: from, weight: 100 - share },
    { version: to, weight: share },
  ];
}

/**
 * The version that answers, of a deployment's serving placements: the target as soon as it has the replicas that the spec
 * asks for, so that a deployment that is ready answers with what it names, whatever else still serves or comes back. Before
 * that the one with the most; of equal ones the target. Undefined when none serves.
 */
function activeVersion(
  fleet: Fleet,
  deployment: FleetDeployment,
  serving: readonly FleetPlacement[],
): number | undefined {
  const target = targetVersion(fleet, deployment);
  const byVersion = Map.groupBy(serving, ({ version }) => version);
  const ofKind = (kind: NodeKind, placements: readonly FleetPlacement[]): number =>
    placements.filter(({ nodeId }) => fleet.nodes.get(nodeId)?.kind === kind).length;
  const mine = target === undefined ? [] : (byVersion.get(target) ?? []);
  const isCovered = nodeKind.options.every((kind) => {
    const { min, every } = deployment.spec.placement[kind];
    // How many nodes match `every` is the planner's to say: here none of the others may be on more.
    const wanted = every ? Math.max(0, ...byVersion.values().map((group) => ofKind(kind, group))) : min;
    return ofKind(kind, mine) >= wanted;
  });
  if (isCovered && mine.length > 0) return target;
  const counts = [...byVersion].map(([version, group]) => ({ version, count: group.length }));
  const isTarget = ({ version }: { version: number }): number => Number(version === target);
  return counts.toSorted((a, b) => b.count - a.count || isTarget(b) - isTarget(a) || b.version - a.version)[0]?.version;
}
