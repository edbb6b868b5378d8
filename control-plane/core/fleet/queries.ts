import { versionKey } from "../../../shared/base/version-key.ts";
import { memo } from "../memo.ts";
import { nodeState, type NodeTimings } from "./node-status.ts";
import type { Fleet, FleetNode, FleetPlacement, FleetVersion } from "./types.ts";

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

const NONE: readonly FleetPlacement[] = [];

export const placementsOn = (fleet: Fleet, nodeId: string): readonly FleetPlacement[] =>
  fleet.placementsOn.get(nodeId) ?? NONE;

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
