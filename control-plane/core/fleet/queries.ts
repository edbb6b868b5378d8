import type { NodeId } from "../../../shared/ids.ts";
import {
  aliasKey,
  versionKey,
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

export const placementsOfDeployment = (fleet: Fleet, name: string): readonly FleetPlacement[] =>
  [...fleet.placements.values()].filter((placement) => placement.deployment === name);

/** All placements by node, for a pass over the fleet. */
export function placementsByNode(fleet: Fleet): ReadonlyMap<NodeId, readonly FleetPlacement[]> {
  return Map.groupBy(fleet.placements.values(), (placement) => placement.nodeId);
}

export const nodeByName = (fleet: Fleet, name: string): FleetNode | undefined =>
  fleet.nodes.values().find((node) => node.name === name);

/** True while the placement should run or stay ready to run. */
export const isWanted = (placement: FleetPlacement): boolean => placement.wanted !== "gone";

/**
 * The version that answers, of those that serve: the one with the most placements; of equal ones the target, so that
 * traffic moves when the new version can carry it. Undefined when none serves.
 */
export function activeVersion(serving: readonly FleetPlacement[], target: number | undefined): number | undefined {
  const groups = [...Map.groupBy(serving, ({ version }) => version)].map(([version, group]) => ({
    version,
    count: group.length,
  }));
  const isTarget = ({ version }: { version: number }): number => Number(version === target);
  return groups.toSorted((a, b) => b.count - a.count || isTarget(b) - isTarget(a) || b.version - a.version)[0]?.version;
}
