import { canonicalJson, digestOf, type Digest } from "../base/digest.ts";
import type { DesiredPlacement } from "./messages/desired-placement.ts";

/** What one node should hold: a level, not a list of commands. Placements are sorted by id. */
export interface DesiredState {
  readonly cordoned: boolean;
  readonly placements: readonly DesiredPlacement[];
}

export const EMPTY_DESIRED: DesiredState = { cordoned: false, placements: [] };

export const sortedDesired = (state: DesiredState): DesiredState => ({
  cordoned: state.cordoned,
  placements: state.placements.toSorted((a, b) => (a.placementId < b.placementId ? -1 : 1)),
});

/** Equal states have equal digests on both sides. */
export const desiredDigest = (state: DesiredState): Digest => digestOf(canonicalJson(sortedDesired(state)));

export interface DesiredDelta {
  readonly cordoned: boolean;
  readonly set: readonly DesiredPlacement[];
  readonly drop: readonly string[];
}

/** The smallest delta that turns `from` into `to`. */
export function deltaBetween(from: DesiredState, to: DesiredState): DesiredDelta {
  const before = new Map(from.placements.map((placement) => [placement.placementId, canonicalJson(placement)]));
  const after = new Set(to.placements.map((placement) => placement.placementId));
  return {
    cordoned: to.cordoned,
    set: to.placements.filter((placement) => before.get(placement.placementId) !== canonicalJson(placement)),
    drop: from.placements.map((placement) => placement.placementId).filter((placementId) => !after.has(placementId)),
  };
}

export function applyDelta(state: DesiredState, delta: DesiredDelta): DesiredState {
  const replaced = new Set([...delta.drop, ...delta.set.map((placement) => placement.placementId)]);
  const kept = state.placements.filter((placement) => !replaced.has(placement.placementId));
  return sortedDesired({ cordoned: delta.cordoned, placements: [...kept, ...delta.set] });
}
