import { memo } from "../../memo.ts";
import type { Candidate } from "../candidate.ts";
import { clampScore, type Score } from "./score.ts";

/** Replicas of the deployment in the node's zone, against the fullest zone. */
export const spread: Score = {
  name: "spread",
  zeroMeans: "its zone holds the most replicas of the deployment",
  hundredMeans: "its zone holds none",
  of(candidate, { deployment }, candidates) {
    const byZone = replicasByZone(candidates, deployment.name);
    const most = Math.max(0, ...byZone.values());
    const inZone = byZone.get(candidate.node.zone) ?? 0;
    return {
      score: most === 0 ? 100 : clampScore(100 * (1 - inZone / most)),
      raw: `${inZone} in zone ${candidate.node.zone}`,
    };
  },
};

/** The counts of each deployment, for as long as the candidates are these: every one of them is scored by them. */
const counted = memo((_candidates: readonly Candidate[]) => new Map<string, ReadonlyMap<string, number>>());

function replicasByZone(candidates: readonly Candidate[], deployment: string): ReadonlyMap<string, number> {
  const known = counted(candidates).get(deployment);
  if (known) return known;
  const byZone = new Map<string, number>();
  for (const { node, placements } of candidates) {
    const here = placements.filter((placement) => placement.deployment === deployment).length;
    byZone.set(node.zone, (byZone.get(node.zone) ?? 0) + here);
  }
  counted(candidates).set(deployment, byZone);
  return byZone;
}
