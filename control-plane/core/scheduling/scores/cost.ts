import { nodeCost } from "../../fleet/node-cost.ts";
import { clampScore, type Score } from "./score.ts";

export const cost: Score = {
  name: "cost",
  zeroMeans: "as dear as a node gets",
  hundredMeans: "free: the device stands there anyway",
  of({ node }) {
    const value = nodeCost(node);
    return { score: clampScore(100 * (1 - value)), raw: `cost ${value}` };
  },
};
