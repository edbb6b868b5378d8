import type { Fleet, FleetPlacement } from "./types.ts";

/** By id; undefined: it is no more. The same fleet when nothing is another. Only for a fleet that is thought of: `reduce` writes the real one. */
export function withPlacements(fleet: Fleet, changes: ReadonlyMap<string, FleetPlacement | undefined>): Fleet {
  if (changes.size === 0) return fleet;
  const placements = new Map(fleet.placements);
  const placementsOn = new Map(fleet.placementsOn);
  for (const [id, after] of changes) {
    const nodeId = after?.nodeId ?? placements.get(id)?.nodeId;
    if (nodeId === undefined) continue;
    const there = placementsOn.get(nodeId) ?? [];
    const at = there.findIndex((each) => each.id === id);
    const left = after === undefined ? there.toSpliced(at, 1) : at < 0 ? [...there, after] : there.with(at, after);
    if (left.length > 0) placementsOn.set(nodeId, left);
    else placementsOn.delete(nodeId);
    if (after) placements.set(id, after);
    else placements.delete(id);
  }
  return { ...fleet, revision: fleet.revision + 1, placements, placementsOn };
}
