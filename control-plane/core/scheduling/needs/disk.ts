import { isWanted, placementsOn } from "../../fleet/queries.ts";
import { builtOf } from "../../fleet/versions/variants.ts";
import type { Fleet, FleetNode, FleetPlacement, FleetVersion } from "../../fleet/types.ts";

const MIB = 1_048_576;
/** Share of the disk that no artifact may fill: the node itself refuses beyond it. */
const DISK_FLOOR = 0.05;
/** States of a placement whose bytes are not on its node, or not all of them. */
const WITHOUT_BYTES: readonly FleetPlacement["state"][] = ["offered", "downloading", "failed", "gone"];

/** What the files of a version need, in MiB. */
export const diskNeedMiB = ({ bytes }: FleetVersion): number => Math.ceil(bytes / MIB);

/** What is free on a node's disk, in MiB: what it reported last, else all of it. */
export const freeDiskMiB = ({ load, capabilities }: FleetNode): number =>
  load?.diskFreeMiB ?? capabilities?.diskMiB ?? 0;

/** What has to stay free, in MiB. */
export const diskFloorMiB = ({ capabilities }: FleetNode): number =>
  Math.ceil((capabilities?.diskMiB ?? 0) * DISK_FLOOR);

/** What a placement holds of its node's disk, in MiB. */
export function heldDiskMiB(fleet: Fleet, placement: FleetPlacement): number {
  const of = WITHOUT_BYTES.includes(placement.state) ? undefined : builtOf(fleet, placement);
  return of ? diskNeedMiB(of) : 0;
}

/** What its placements that are offered or on their way have still to bring to a node, in MiB. */
export function comingDiskMiB(fleet: Fleet, node: FleetNode): number {
  let comingMiB = 0;
  for (const placement of placementsOn(fleet, node.id)) {
    const { state, progress } = placement;
    if (!isWanted(placement) || (state !== "offered" && state !== "downloading")) continue;
    const of = builtOf(fleet, placement);
    if (of) comingMiB += Math.max(0, diskNeedMiB(of) - Math.floor((progress?.done ?? 0) / MIB));
  }
  return comingMiB;
}
