import { nodeCost } from "../../fleet/node-cost.ts";
import { clampScore, type Score } from "./score.ts";

export const cost: Score = {
  name: "cost",
  zeroMeans: "the most expensive node",
  hundredMeans: "free: the device exists anyway",
  of({ node }) {
    const value = nodeCost(node);
    return { score: clampScore(100 * (1 - value)), raw: `cost ${value}` };
  },
};
