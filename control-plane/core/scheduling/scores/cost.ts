import { nodeCost } from "../../fleet/node-cost.ts";
import { ofNodeAlone } from "../candidates/candidate.ts";
import { clampScore, type Score } from "./score.ts";

export const cost: Score = {
  name: "cost",
  zeroMeans: "the most expensive node",
  hundredMeans: "free: the device exists anyway",
  keyOf: ofNodeAlone,
  points: ({ node }) => clampScore(100 * (1 - nodeCost(node))),
  raw: ({ node }) => `cost ${nodeCost(node)}`,
};
