import type { FleetPlacement } from "../../fleet/types.ts";
import { disconnectsAt } from "../../fleet/versions/quarantine.ts";
import { versionKey } from "../../../../shared/base/version-key.ts";
import { isStalled, type Candidate, type PlacementRequest } from "../candidates/candidate.ts";
import { clampScore, type Score } from "./score.ts";

const OF_EACH = 25;
/** Of all requests: a share of a fifth takes all points. */
const OF_ERRORS = 500;

/**
 * Placements on the node that failed or make no progress, whatever the model, connections of it that broke lately, and requests
 * that fail there and not on other nodes.
 */
export const reliability: Score = {
  name: "reliability",
  zeroMeans:
    "four or more placements have failed or make no progress there, or its connection broke as often lately, or a fifth of the requests fails there and not elsewhere",
  hundredMeans: "nothing of that",
  keyOf: ({ errorShares, version }) => (errorShares ? versionKey(version.model, version.version) : ""),
  points(candidate, request) {
    const { now } = request;
    const faults = failedOn(candidate) + stalledOn(candidate, now) + disconnectsOf(candidate, now);
    return clampScore(100 - OF_EACH * faults - OF_ERRORS * errorShareOn(candidate, request));
  },
  raw(candidate, request) {
    const { now } = request;
    const errors = Math.round(1_000 * errorShareOn(candidate, request)) / 10;
    const [stalled, disconnects] = [stalledOn(candidate, now), disconnectsOf(candidate, now)];
    return [
      `${failedOn(candidate)} failed`,
      ...(stalled === 0 ? [] : [`${stalled} without progress`]),
      ...(disconnects === 0 ? [] : [`${disconnects} disconnects of late`]),
      ...(errors === 0 ? [] : [`${errors} % of requests fail here`]),
    ].join(", ");
  },
};

const failedOn = ({ placements }: Candidate): number => countOf(placements, ({ state }) => state === "failed");

const stalledOn = (candidate: Candidate, now: number): number =>
  countOf(candidate.placements, (placement) => isStalled(candidate, placement, now));

/** Without a list: most nodes hold nothing, and all are asked about in each plan. */
function countOf(placements: Candidate["placements"], isOne: (placement: FleetPlacement) => boolean): number {
  let count = 0;
  for (const placement of placements) if (isOne(placement)) count += 1;
  return count;
}

/** Of the version, or of all that the node serves: the larger one. */
const errorShareOn = ({ node, errorShare }: Candidate, { errorShares }: PlacementRequest): number =>
  Math.max(errorShare, errorShares?.get(node.id) ?? 0);

/** In whole tenths. A single one is no flapping: every restart of an agent is one. */
function disconnectsOf({ node }: Candidate, now: number): number {
  const all = disconnectsAt(node.session?.disconnects, now);
  return Math.round(10 * Math.max(0, all - 1)) / 10;
}
