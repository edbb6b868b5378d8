import type { NodeState } from "../../../../shared/api/v1/nodes/nodes.ts";
import { lastHeard } from "../../fleet/node-status.ts";
import { isMassQuarantine, quarantineOf, type Quarantine } from "../../fleet/versions/quarantine.ts";
import { pushRateAt } from "../../fleet/push-rate.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement, FleetVersion } from "../../fleet/types.ts";
import { comingDiskMiB, diskFloorMiB, freeDiskMiB } from "../needs/disk.ts";
import type { VariantChoice, VariantSpeeds } from "../needs/choose-variant.ts";
import { errorSharesOf } from "../error-shares.ts";
import type { Hops } from "../hops.ts";
import { holdingsOf, type Holdings } from "./holdings.ts";
import { placesIn, type NodePlaces } from "./node-places.ts";
import { diskHeldOn } from "../planning/held.ts";
import { stallTimes } from "../planning/stalled.ts";
import { usableMemoryMiB } from "../needs/memory.ts";
import type { ServiceTimes } from "../needs/service-time.ts";

/** What has to be placed. */
export interface PlacementRequest {
  readonly deployment: FleetDeployment;
  readonly version: FleetVersion;
  readonly memMiB: number;
  readonly diskMiB: number;
  readonly now: number;
  /** The zone in which all replicas are that there are, and one with a node that fits. Only `zone-spread` asks. */
  readonly crowded?: { readonly zone: string; readonly free: string } | undefined;
  /** What requests for the deployment lose between control planes; undefined: nothing, or nobody asks. */
  readonly hops?: Hops | undefined;
  /** What runs of the version's variants took so far; undefined: nothing is known. */
  readonly speeds?: VariantSpeeds | undefined;
  /** The variant that `version` is; undefined: it has one graph, or the node decides (`needOn`). */
  readonly variant?: VariantChoice | undefined;
  /** What a request takes where the deployment runs; undefined: that was not measured. */
  readonly serviceUs?: ServiceTimes | undefined;
  /** Share of the version's requests that fail on a node beyond what fails elsewhere, by node id; undefined: on none. */
  readonly errorShares?: ReadonlyMap<string, number> | undefined;
}

/** What of a request a filter or score depends on. */
export type RequestKey = (request: PlacementRequest) => string | number | boolean;

/** The key of those that ask about the node alone. */
export const ofNodeAlone: RequestKey = () => "";

/** A node as the filters and scores see it. */
export interface Candidate extends Holdings {
  readonly node: FleetNode;
  readonly state: NodeState;
  /** Memory that models may use in all: 90 % of the machine, the rest is the system's and the agent's. */
  readonly usableMiB: number;
  /** What placements on their way have still to bring to its disk, in MiB. */
  readonly comingDiskMiB: number;
  /** Disk that is free and that no placement on its way is about to fill, in MiB. */
  readonly usableDiskMiB: number;
  /** Bytes that it receives in a ms; undefined: that was not measured lately. */
  readonly pushBytesPerMs: number | undefined;
  /** Ids of placements whose bytes come when an older version has left: the disk does not hold both. */
  readonly diskHeld: ReadonlySet<string>;
  /** When each of its placements that is not ready counts as stalled, in ms; empty while the node is not there. */
  readonly stallTimes: ReadonlyMap<string, number>;
  readonly evictionFloorDiskMiB: number;
  /** Share of requests that fail there beyond what its versions fail elsewhere, 0–1. */
  readonly errorShare: number;
  /** Undefined: it gets new replicas. */
  readonly quarantine: Quarantine | undefined;
  /** Longest silence of its heartbeat so far, in ms, for sentences. */
  readonly silentMs: number;
}

/** Whether a placement of the candidate has made no progress for too long. */
export const isStalled = ({ stallTimes: times }: Candidate, { id }: FleetPlacement, now: number): boolean =>
  (times.get(id) ?? Infinity) <= now;

/** Every node of the fleet that may connect as a candidate, in the order of `places`. */
export function candidatesOf(
  fleet: Fleet,
  {
    stateOf,
    now,
    places = placesIn(fleet.nodes),
  }: {
    readonly stateOf: (node: FleetNode) => NodeState;
    readonly now: number;
    /** Those of the fleet's nodes, where they are known. */
    readonly places?: NodePlaces;
  },
): Candidate[] {
  const isMass = isMassQuarantine(fleet.nodes.values(), now);
  const { ofNode } = errorSharesOf(fleet, now);
  return places.identities.map(({ id }) => {
    const node = fleet.nodes.get(id);
    if (!node) throw new RangeError(`there is no node ${id}`);
    const state = stateOf(node);
    const { holdings, isAtRest } = holdingsOf(fleet, node);
    const comingMiB = isAtRest ? 0 : comingDiskMiB(fleet, node);
    return {
      node,
      state,
      placements: holdings.placements,
      reservedMiB: holdings.reservedMiB,
      reservedBy: holdings.reservedBy,
      diskBy: holdings.diskBy,
      streamsBy: holdings.streamsBy,
      held: holdings.held,
      stallTimes: state === "ready" && !isAtRest ? stallTimes(fleet, node) : NONE,
      usableMiB: usableMemoryMiB(node),
      comingDiskMiB: comingMiB,
      usableDiskMiB: freeDiskMiB(node) - comingMiB,
      pushBytesPerMs: node.load && pushRateAt(node.load, now),
      evictionFloorDiskMiB: diskFloorMiB(node),
      // Not among the holdings: room on a disk changes while they stay.
      diskHeld: isAtRest ? NONE_HELD : diskHeldOn(fleet, node),
      errorShare: ofNode.get(node.id) ?? 0,
      quarantine: isMass ? undefined : quarantineOf(node, now),
      silentMs: Math.max(0, now - (lastHeard(node) ?? now)),
    };
  });
}

const NONE: ReadonlyMap<string, number> = new Map();
const NO_PLACEMENTS: readonly FleetPlacement[] = [];
const NONE_HELD: ReadonlySet<string> = new Set();

/** Its placements of the request's model or deployment. */
export function ownPlacements(
  { placements }: Candidate,
  { deployment, version }: PlacementRequest,
): readonly FleetPlacement[] {
  const isOwn = (placement: FleetPlacement): boolean =>
    placement.model === version.model || placement.deployment === deployment.name;
  return placements.some(isOwn) ? placements.filter(isOwn) : NO_PLACEMENTS;
}

/** The same candidate after it was given one more placement. */
export function withPlacement(
  candidate: Candidate,
  placement: FleetPlacement,
  { deployment, memMiB, diskMiB }: Pick<PlacementRequest, "deployment" | "memMiB" | "diskMiB">,
): Candidate {
  const name = placement.deployment ?? "";
  const streams = deployment.spec.streams?.length ?? 0;
  return {
    ...candidate,
    placements: [...candidate.placements, placement],
    reservedMiB: candidate.reservedMiB + memMiB,
    reservedBy: new Map(candidate.reservedBy).set(name, (candidate.reservedBy.get(name) ?? 0) + memMiB),
    ...(streams > 0 && { streamsBy: new Map(candidate.streamsBy).set(name, streams) }),
    comingDiskMiB: candidate.comingDiskMiB + diskMiB,
    usableDiskMiB: candidate.usableDiskMiB - diskMiB,
  };
}

/** The same candidate without the memory that a deployment's placements may use there, and without the disk that they hold. */
export function withoutReservation(candidate: Candidate, deployment: string): Candidate {
  const deploymentMiB = candidate.reservedBy.get(deployment) ?? 0;
  const diskMiB = candidate.diskBy.get(deployment) ?? 0;
  if (deploymentMiB === 0 && diskMiB === 0) return candidate;
  return {
    ...candidate,
    reservedMiB: candidate.reservedMiB - deploymentMiB,
    reservedBy: new Map(candidate.reservedBy).set(deployment, 0),
    usableDiskMiB: candidate.usableDiskMiB + diskMiB,
    diskBy: new Map(candidate.diskBy).set(deployment, 0),
  };
}
