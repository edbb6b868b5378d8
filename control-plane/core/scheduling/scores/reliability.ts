import { disconnectsAt } from "../../fleet/quarantine.ts";
import { isStalled, ofNodeAlone, type Candidate } from "../candidate.ts";
import { clampScore, type Score } from "./score.ts";

const OF_EACH = 25;

/** Placements on the node that failed or make no progress, whatever the model, and connections of it that broke lately. */
export const reliability: Score = {
  name: "reliability",
  zeroMeans: "four or more placements have failed or make no progress there, or its connection broke as often lately",
  hundredMeans: "nothing of that",
  keyOf: ofNodeAlone,
  points(candidate, { now }) {
    const faults = failedOn(candidate) + stalledOn(candidate, now) + disconnectsOf(candidate, now);
    return clampScore(100 - OF_EACH * faults);
  },
  raw(candidate, { now }) {
    const [stalled, disconnects] = [stalledOn(candidate, now), disconnectsOf(candidate, now)];
    return [
      `${failedOn(candidate)} failed`,
      ...(stalled === 0 ? [] : [`${stalled} without progress`]),
      ...(disconnects === 0 ? [] : [`${disconnects} disconnects of late`]),
    ].join(", ");
  },
};

const failedOn = ({ placements }: Candidate): number => placements.filter(({ state }) => state === "failed").length;

const stalledOn = (candidate: Candidate, now: number): number =>
  candidate.placements.filter((placement) => isStalled(candidate, placement, now)).length;

/** In whole tenths. A single one is no flapping: every restart of an agent is one. */
function disconnectsOf({ node }: Candidate, now: number): number {
  const all = disconnectsAt(node.session?.disconnects, now);
  return Math.round(10 * Math.max(0, all - 1)) / 10;
}
