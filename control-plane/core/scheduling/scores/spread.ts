import { clampScore, type Score } from "./score.ts";

/** Replicas of the deployment in the node's zone, against the fullest zone. */
export const spread: Score = {
  name: "spread",
  zeroMeans: "its zone holds the most replicas of the deployment",
  hundredMeans: "its zone holds none",
  of(candidate, { deployment }, candidates) {
    const byZone = new Map<string, number>();
    for (const { node, placements } of candidates) {
      const here = placements.filter((placement) => placement.deployment === deployment.name).length;
      byZone.set(node.zone, (byZone.get(node.zone) ?? 0) + here);
    }
    const most = Math.max(0, ...byZone.values());
    const inZone = byZone.get(candidate.node.zone) ?? 0;
    return {
      score: most === 0 ? 100 : clampScore(100 * (1 - inZone / most)),
      raw: `${inZone} in zone ${candidate.node.zone}`,
    };
  },
};
