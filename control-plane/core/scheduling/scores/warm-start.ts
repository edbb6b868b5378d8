import type { FleetPlacement, FleetVersion } from "../../fleet/types.ts";
import type { Candidate } from "../candidates/candidate.ts";
import { pushRateOf } from "../needs/push-time.ts";
import { clampScore, type Score } from "./score.ts";

const COLD_MS = 60_000;

/** How soon the version could serve there: the bytes that are missing, at the rate that was measured to the node. */
export const warmStart: Score = {
  name: "warm",
  zeroMeans: "60 s or more until it is ready",
  hundredMeans: "it runs there already",
  keyOf: ({ version }) => version.bytes,
  lost: { perUnit: pointsPerByte, units: ({ version }) => version.bytes },
  points: (candidate, { version }, { own }) =>
    isReadyHere(version, own) ? 100 : clampScore(100 - pointsPerByte(candidate) * missingBytes(version, own)),
  raw(candidate, { version }, { own }) {
    if (isReadyHere(version, own)) return "ready";
    const takes = `about ${(missingBytes(version, own) / pushRateOf(candidate) / 1_000).toFixed(1)} s to push`;
    return candidate.pushBytesPerMs === undefined ? `${takes}, not measured` : takes;
  },
};

function pointsPerByte(candidate: Candidate): number {
  return 100 / COLD_MS / pushRateOf(candidate);
}

/** What has arrived of a push that is under way is not missing. */
const missingBytes = (version: FleetVersion, own: readonly FleetPlacement[]): number =>
  Math.max(0, version.bytes - (hereOf(version, own)?.progress?.done ?? 0));

/** Of several placements of the version the first one counts. */
const hereOf = ({ model, version }: FleetVersion, own: readonly FleetPlacement[]): FleetPlacement | undefined =>
  own.find((placement) => placement.model === model && placement.version === version);

const isReadyHere = (version: FleetVersion, own: readonly FleetPlacement[]): boolean =>
  hereOf(version, own)?.state === "ready";
