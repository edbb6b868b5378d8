import type { FleetVersion } from "../../fleet/types.ts";
import type { Candidate, PlacementRequest } from "../candidates/candidate.ts";

const MIB = 1_048_576;
/** What a push is taken to run at while none to the node was measured, in bytes per ms (8 MiB/s). */
const ASSUMED_BYTES_PER_MS = 8_388;
/** How long a push may take where a deployment does not say it, in ms. */
const DEFAULT_LIMIT_MS = 60 * 60_000;

/** How long one push to a node may take, in ms. */
export const pushLimitMs = ({ deployment: { spec } }: PlacementRequest): number =>
  spec.placement.maxPushMinutes === undefined ? DEFAULT_LIMIT_MS : spec.placement.maxPushMinutes * 60_000;

/** Bytes that a node receives in a ms: as measured, else as assumed. */
export const pushRateOf = ({ pushBytesPerMs }: Candidate): number => pushBytesPerMs ?? ASSUMED_BYTES_PER_MS;

/** How long all bytes of a version take to a node, in ms. */
export const pushMsTo = (candidate: Candidate, { bytes }: Pick<FleetVersion, "bytes">): number =>
  bytes / pushRateOf(candidate);

/** How long the bytes that are on their way to a node already take, in ms; 0 while nothing was measured. */
export const queuedPushMs = ({ pushBytesPerMs, comingDiskMiB }: Candidate): number =>
  pushBytesPerMs === undefined ? 0 : (comingDiskMiB * MIB) / pushBytesPerMs;
