import { isStalled } from "../candidate.ts";
import { clampScore, type Score } from "./score.ts";

/** Placements on the node that failed or make no progress, whatever the model. */
export const reliability: Score = {
  name: "reliability",
  zeroMeans: "four or more placements have failed or make no progress there",
  hundredMeans: "none has",
  of(candidate, { now }) {
    const failed = candidate.placements.filter(({ state }) => state === "failed").length;
    const stalled = candidate.placements.filter((placement) => isStalled(candidate, placement, now)).length;
    const raw = stalled === 0 ? `${failed} failed` : `${failed} failed, ${stalled} without progress`;
    return { score: clampScore(100 - 25 * (failed + stalled)), raw };
  },
};
