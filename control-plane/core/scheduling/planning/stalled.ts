import type { PlacementState } from "../../../../shared/protocol/placement.ts";
import { placementsOn } from "../../fleet/queries.ts";
import type { Fleet, FleetNode, FleetPlacement } from "../../fleet/types.ts";
import { builtOf } from "../../fleet/versions/variants.ts";
import { diskHeldOn, heldOn, roomHeldOn } from "./held.ts";

/**
 * How long a placement may stay in a state without progress, in ms: longer than the node's own limits, which are 60 s of
 * silence in a transfer and 180 s for a load.
 */
const WITHOUT_PROGRESS_MS: Partial<Record<PlacementState, number>> = {
  offered: 2 * 60_000,
  downloading: 5 * 60_000,
  verifying: 5 * 60_000,
  staged: 5 * 60_000,
  loading: 10 * 60_000,
  warming: 10 * 60_000,
};
/** The progress of a transfer is known only where the node's session is. Elsewhere a state may last so long. */
const UNOBSERVED_MS = 60 * 60_000;
/** A node hashes what it has of an artifact before a transfer and after it; slow disks read so many bytes each ms. */
const HASHED_BYTES_PER_MS = 50_000;

/**
 * When each placement of a node counts as stalled if nothing happens until then, in ms. Only those that have to come to be
 * ready are in it, without those that wait until an older version has left. The node is one that is there.
 */
export function stallTimes(fleet: Fleet, node: FleetNode): ReadonlyMap<string, number> {
  const present = placementsOn(fleet, node.id);
  if (!present.some(({ state }) => WITHOUT_PROGRESS_MS[state] !== undefined)) return NONE;
  const held = heldOn(fleet, node).union(roomHeldOn(fleet, node));
  const diskHeld = diskHeldOn(fleet, node);
  const latest = Math.max(...present.map(({ progressSince }) => progressSince));
  const times = new Map<string, number>();
  for (const placement of present) {
    const limitMs = limitOf(fleet, placement, { node, present });
    if (
      limitMs === undefined ||
      placement.wanted === "gone" ||
      (placement.state === "staged" && held.has(placement.id)) ||
      diskHeld.has(placement.id)
    )
      continue;
    // One transfer at a time: what is offered waits while any other placement of the node goes on.
    const since = placement.state === "offered" ? latest : placement.progressSince;
    times.set(placement.id, Math.max(since, placement.decidedAt, node.session?.openedAt ?? -Infinity) + limitMs);
  }
  return times;
}

const NONE: ReadonlyMap<string, number> = new Map();

function limitOf(
  fleet: Fleet,
  placement: FleetPlacement,
  { node, present }: { readonly node: FleetNode; readonly present: readonly FleetPlacement[] },
): number | undefined {
  const { state } = placement;
  const limitMs = WITHOUT_PROGRESS_MS[state];
  if (limitMs === undefined) return undefined;
  const isReceiving =
    state === "downloading" || (state === "offered" && present.some((each) => each.state === "downloading"));
  if (isReceiving && !node.observed) return UNOBSERVED_MS;
  const isHashed = state === "offered" || state === "verifying";
  return limitMs + (isHashed ? (builtOf(fleet, placement)?.bytes ?? 0) / HASHED_BYTES_PER_MS : 0);
}
