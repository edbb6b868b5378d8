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
