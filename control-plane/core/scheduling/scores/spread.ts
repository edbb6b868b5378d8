import { memo } from "../../memo.ts";
import { ofNodeAlone } from "../candidates/candidate.ts";
import { clampScore, type Score, type ScoreContext } from "./score.ts";

/** Replicas of the deployment in the node's zone, against the fullest zone. */
export const spread: Score = {
  name: "spread",
  zeroMeans: "its zone holds the most replicas of the deployment",
  hundredMeans: "its zone holds none",
  isOfZone: true,
  keyOf: ofNodeAlone,
  points({ node }, _request, { byZone }) {
    const most = fullest(byZone);
    return most === 0 ? 100 : clampScore(100 * (1 - (byZone.get(node.zone) ?? 0) / most));
  },
  raw: ({ node }, _request, { byZone }) => `${byZone.get(node.zone) ?? 0} in zone ${node.zone}`,
};

/** Asked for each zone: where every node is a zone of its own, looking through all of them each time would take as long as all else. */
const fullest = memo((byZone: ScoreContext["byZone"]): number => Math.max(0, ...byZone.values()));
