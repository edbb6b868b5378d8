import type { FleetPlacement, FleetVersion } from "../../fleet/types.ts";
import { ASSUMED_BYTES_PER_MS } from "../push-time.ts";
import { clampScore, type Score } from "./score.ts";

const COLD_MS = 60_000;

/** How soon the version could serve there. */
export const warmStart: Score = {
  name: "warm",
  zeroMeans: "60 s or more until it is ready",
  hundredMeans: "it runs there already",
  isOfRequest: true,
  keyOf: ({ version }) => version.bytes,
  points: (_candidate, { version }, { own }) =>
    isReadyHere(version, own) ? 100 : clampScore(100 * (1 - pushMs(version) / COLD_MS)),
  raw: (_candidate, { version }, { own }) =>
    isReadyHere(version, own) ? "ready" : `about ${(pushMs(version) / 1_000).toFixed(1)} s to push`,
};

const pushMs = ({ bytes }: FleetVersion): number => bytes / ASSUMED_BYTES_PER_MS;

/** Of several placements of the version the first one counts. */
function isReadyHere({ model, version }: FleetVersion, own: readonly FleetPlacement[]): boolean {
  if (own.length === 0) return false;
  return own.find((placement) => placement.model === model && placement.version === version)?.state === "ready";
}
