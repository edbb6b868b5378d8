import type { FleetPlacement } from "../../fleet/types.ts";
import type { Candidate } from "../candidates/candidate.ts";

interface Replicas {
  /** Those of which some leave: of one version, on nodes of one kind. */
  readonly standing: readonly FleetPlacement[];
  /** Those of the version on nodes of the other kind: of two zones with as many, the one that has more of them is the fuller one. */
  readonly others: readonly FleetPlacement[];
  readonly at: (placement: FleetPlacement) => Candidate | undefined;
  /** Whether the deployment spreads over zones. */
  readonly isSpread: boolean;
}

/**
 * The `count` replicas that leave when there are more than are wanted: first those that do not serve, then, where the deployment
 * spreads over zones, those of the zone with the most replicas, then the youngest. Of equals the first by id, so that the order
 * of rows does not matter.
 */
export function surplusOf(count: number, { standing, others, at, isSpread }: Replicas): readonly FleetPlacement[] {
  if (count <= 0) return [];
  const zoneOf = (placement: FleetPlacement): string => at(placement)?.node.zone ?? "";
  const serves = (placement: FleetPlacement): boolean => placement.state === "ready" && at(placement)?.state !== "lost";
  const idle = standing.filter((placement) => !serves(placement)).toSorted(youngestFirst);
  const serving = standing.filter(serves).toSorted(youngestFirst);
  if (!isSpread) return [...idle, ...serving].slice(0, count);

  const heights = heightsOf(serving, zoneOf);
  const otherZones = Map.groupBy(others.filter(serves), zoneOf);
  const othersOf = (placement: FleetPlacement): number => otherZones.get(zoneOf(placement))?.length ?? 0;
  const fullestZoneFirst = (a: FleetPlacement, b: FleetPlacement): number =>
    (heights.get(b) ?? 0) - (heights.get(a) ?? 0) || othersOf(b) - othersOf(a) || youngestFirst(a, b);
  return [...idle, ...serving.toSorted(fullestZoneFirst)].slice(0, count);
}

/** How many replicas its zone has when a replica leaves, if each zone loses its youngest first. Taking the highest one empties the fullest zone. */
function heightsOf(
  serving: readonly FleetPlacement[],
  zoneOf: (placement: FleetPlacement) => string,
): ReadonlyMap<FleetPlacement, number> {
  const heights = new Map<FleetPlacement, number>();
  for (const ofZone of Map.groupBy(serving, zoneOf).values())
    for (const [index, placement] of ofZone.entries()) heights.set(placement, ofZone.length - index);
  return heights;
}

const youngestFirst = (a: FleetPlacement, b: FleetPlacement): number =>
  b.decidedAt - a.decidedAt || (a.id < b.id ? -1 : 1);
