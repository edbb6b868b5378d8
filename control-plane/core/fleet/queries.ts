import { nodeKind, type NodeKind } from "../../../shared/api/v1/nodes.ts";
import { versionKey } from "../../../shared/base/version-key.ts";
import { memo } from "../memo.ts";
import { nodeState, type NodeTimings } from "./node-status.ts";
import {
  aliasKey,
  type Fleet,
  type FleetDeployment,
  type FleetNode,
  type FleetPlacement,
  type FleetVersion,
} from "./types.ts";

/** The number that a deployment's `version` means now; undefined while its alias does not exist. */
export function targetVersion(fleet: Fleet, deployment: FleetDeployment): number | undefined {
  const { model, version } = deployment.spec;
  return typeof version === "number" ? version : fleet.aliases.get(aliasKey(model, version));
}

export const versionOf = (fleet: Fleet, model: string, version: number): FleetVersion | undefined =>
  fleet.versions.get(versionKey(model, version));

/** A plan asks for each deployment: walking all placements for each of them was a third of a plan for 5,000 placements. */
const byDeployment = memo((placements: Fleet["placements"]) =>
  Map.groupBy(placements.values(), ({ deployment }) => deployment),
);

export const placementsOfDeployment = (fleet: Fleet, name: string): readonly FleetPlacement[] =>
  byDeployment(fleet.placements).get(name) ?? [];

/** Names of the deployments that have placements, of deleted ones too; undefined stands for those that have none any more. */
export const deploymentsOfPlacements = (fleet: Fleet): readonly (string | undefined)[] => [
  ...byDeployment(fleet.placements).keys(),
];

const unwanted = memo((placements: Fleet["placements"]) =>
  placements
    .values()
    .filter((each) => !isWanted(each))
    .toArray(),
);

/** Placements that are to be gone. */
export const unwantedPlacements = (fleet: Fleet): readonly FleetPlacement[] => unwanted(fleet.placements);

export const placementsOn = (fleet: Fleet, nodeId: string): readonly FleetPlacement[] =>
  fleet.placementsOn.get(nodeId) ?? [];

export const nodeByName = (fleet: Fleet, name: string): FleetNode | undefined =>
  fleet.nodes.values().find((node) => node.name === name);

/** True while the placement should run or stay ready to run. */
export const isWanted = (placement: FleetPlacement): boolean => placement.wanted !== "gone";

/** True while the placement should answer requests and can: it is ready, and its node too. */
export function isServing(
  fleet: Fleet,
  placement: FleetPlacement,
  { now, timings }: { readonly now: number; readonly timings: NodeTimings },
): boolean {
  const node = fleet.nodes.get(placement.nodeId);
  const isReady = placement.state === "ready" && isWanted(placement);
  return isReady && node !== undefined && nodeState(node, now, timings) === "ready";
}

/**
 * The version that answers, of a deployment's serving placements: the target as soon as it has the replicas that the spec
 * asks for, so that a deployment that is ready answers with what it names, whatever else still serves or comes back. Before
 * that the one with the most; of equal ones the target. Undefined when none serves.
 */
export function activeVersion(
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
