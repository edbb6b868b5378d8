import { clampScore, type Score } from "./score.ts";

/** A node says what it costs with the label `skerry.dev/cost`, 0–1; without it an edge node is free and a cloud node is not. */
const COST_LABEL = "skerry.dev/cost";

export const cost: Score = {
  name: "cost",
  zeroMeans: "as dear as a node gets",
  hundredMeans: "free: the device stands there anyway",
  of({ node }) {
    const labelled = Number(node.labels[COST_LABEL]);
    const value =
      node.labels[COST_LABEL] !== undefined && Number.isFinite(labelled) ? labelled : node.kind === "cloud" ? 1 : 0;
    return { score: clampScore(100 * (1 - value)), raw: `cost ${value}` };
  },
};
