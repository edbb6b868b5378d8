import type { FleetNode, FleetVersion } from "../fleet/types.ts";
import type { Candidate, PlacementRequest } from "./candidate.ts";

const MIB = 1_048_576;
/** What a push is taken to run at until one to the node was measured, in bytes per ms (8 MiB/s). */
export const ASSUMED_BYTES_PER_MS = 8_388;
/** How long a push may take where a deployment does not say it, in ms. */
const DEFAULT_LIMIT_MS = 60 * 60_000;

/** How long one push to a node may take, in ms. */
export const pushLimitMs = ({ deployment: { spec } }: PlacementRequest): number =>
  spec.placement.maxPushMinutes === undefined ? DEFAULT_LIMIT_MS : spec.placement.maxPushMinutes * 60_000;

/** Bytes that a node receives in a ms, as its owner measured it; undefined before a push of 1 MiB or more. */
export const pushRateOf = ({ load }: FleetNode): number | undefined => load?.pushBytesPerMs;

/** How long all bytes of a version take to a node, in ms. */
export const pushMsTo = (node: FleetNode, { bytes }: Pick<FleetVersion, "bytes">): number =>
  bytes / (pushRateOf(node) ?? ASSUMED_BYTES_PER_MS);

/** How long the bytes that are on their way to a node already take, in ms; 0 while nothing was measured. */
export function queuedPushMs({ node, comingDiskMiB }: Candidate): number {
  const rate = pushRateOf(node);
  return rate === undefined ? 0 : (comingDiskMiB * MIB) / rate;
}
