import { zoneSpread } from "../filters/zone-spread.ts";
import { ownPlacements, type Candidate, type PlacementRequest } from "../candidates/candidate.ts";
import type { Profile } from "../profile.ts";
import { refusalOf } from "../candidates/rank.ts";
import { needOn } from "../needs/variant-need.ts";

/**
 * What together would admit a node, a change for each filter that refuses it: empty where none does, null when one of them
 * passes by itself only, or never.
 */
export function changesToAdmit(
  { filters }: Profile,
  candidate: Candidate,
  asked: PlacementRequest,
): readonly string[] | null {
  const need = needOn(asked, candidate.node);
  const own = ownPlacements(candidate, need);
  const changes = new Set<string>();
  for (const filter of [...filters, zoneSpread]) {
    if (refusalOf(filter, candidate, { need, own }) === undefined) continue;
    const change = filter.wouldLift?.(candidate, need);
    if (change === undefined) return null;
    changes.add(change);
  }
  return [...changes];
}
