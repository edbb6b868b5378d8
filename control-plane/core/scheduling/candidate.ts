import type { NodeState } from "../../../shared/api/v1/nodes.ts";
import { lastHeard } from "../fleet/node-status.ts";
import { isWanted, placementsOn } from "../fleet/queries.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement, FleetVersion } from "../fleet/types.ts";
import { memoryNeedMiB } from "./memory.ts";

/** What has to be placed. */
export interface PlacementRequest {
  readonly deployment: FleetDeployment;
  readonly version: FleetVersion;
  readonly memMiB: number;
  readonly diskMiB: number;
  readonly now: number;
}

/** A node as the filters and scores see it. */
export interface Candidate {
  readonly node: FleetNode;
  readonly state: NodeState;
  /** What it holds, without placements that are to go. */
  readonly placements: readonly FleetPlacement[];
  /** Memory that its placements may use, in MiB: reserved by their limits, not by today's use. */
  readonly reservedMiB: number;
  /** Memory that models may use in all: 90 % of the machine, the rest is the system's and the agent's. */
  readonly usableMiB: number;
  readonly usableDiskMiB: number;
  readonly evictionFloorDiskMiB: number;
  /** Longest silence of its heartbeat so far, in ms, for sentences. */
  readonly silentMs: number;
}

const MODELS_SHARE = 0.9;
/** Share of the disk that no artifact may fill: the node itself refuses beyond it. */
const DISK_FLOOR = 0.05;

/** Every node of the fleet as a candidate, in the order of their names, so that a plan does not depend on the order of rows. */
export function candidatesOf(
  fleet: Fleet,
  context: { stateOf: (node: FleetNode) => NodeState; now: number },
): Candidate[] {
  return [...fleet.nodes.values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((node) => {
      const placements = placementsOn(fleet, node.id).filter(isWanted);
      return {
        node,
        state: context.stateOf(node),
        placements,
        reservedMiB: placements.reduce((sum, placement) => sum + reservedFor(fleet, placement), 0),
        usableMiB: Math.floor((node.capabilities?.memMiB ?? 0) * MODELS_SHARE),
        usableDiskMiB: node.load?.diskFreeMiB ?? node.capabilities?.diskMiB ?? 0,
        evictionFloorDiskMiB: Math.ceil((node.capabilities?.diskMiB ?? 0) * DISK_FLOOR),
        silentMs: Math.max(0, context.now - (lastHeard(node) ?? context.now)),
      };
    });
}

function reservedFor(fleet: Fleet, placement: FleetPlacement): number {
  const version = fleet.versions.get(`${placement.model}:${placement.version}`);
  const deployment = placement.deployment === undefined ? undefined : fleet.deployments.get(placement.deployment);
  return version ? memoryNeedMiB(version, deployment) : (placement.rssMiB ?? 0);
}

/** The same candidate after it was given one more placement. */
export const withPlacement = (candidate: Candidate, placement: FleetPlacement, memMiB: number): Candidate => ({
  ...candidate,
  placements: [...candidate.placements, placement],
  reservedMiB: candidate.reservedMiB + memMiB,
});
