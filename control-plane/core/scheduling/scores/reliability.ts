import { clampScore, type Score } from "./score.ts";

/** Failed placements on the node, whatever the model. */
export const reliability: Score = {
  name: "reliability",
  zeroMeans: "four or more placements have failed there",
  hundredMeans: "none has",
  of({ placements }) {
    const failed = placements.filter((placement) => placement.state === "failed").length;
    return { score: clampScore(100 - 25 * failed), raw: `${failed} failed` };
  },
};
