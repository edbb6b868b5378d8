import { isStalled, ofNodeAlone, type Candidate } from "../candidate.ts";
import { clampScore, type Score } from "./score.ts";

/** Placements on the node that failed or make no progress, whatever the model. */
export const reliability: Score = {
  name: "reliability",
  zeroMeans: "four or more placements have failed or make no progress there",
  hundredMeans: "none has",
  keyOf: ofNodeAlone,
  points(candidate, { now }) {
    return clampScore(100 - 25 * (failedOn(candidate) + stalledOn(candidate, now)));
  },
  raw(candidate, { now }) {
    const [failed, stalled] = [failedOn(candidate), stalledOn(candidate, now)];
    return stalled === 0 ? `${failed} failed` : `${failed} failed, ${stalled} without progress`;
  },
};

const failedOn = ({ placements }: Candidate): number => placements.filter(({ state }) => state === "failed").length;

const stalledOn = (candidate: Candidate, now: number): number =>
  candidate.placements.filter((placement) => isStalled(candidate, placement, now)).length;
