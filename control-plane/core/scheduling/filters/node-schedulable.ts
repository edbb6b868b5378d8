import { ofNodeAlone } from "../candidates/candidate.ts";
import type { Filter } from "./filter.ts";

/** Nobody took the node out of planning. */
export const nodeSchedulable: Filter = {
  code: "node-schedulable",
  keyOf: ofNodeAlone,
  refuse({ node }) {
    if (node.draining) return { verdict: "not now", sentence: `${node.name} is draining` };
    if (node.cordoned) return { verdict: "not now", sentence: `${node.name} is cordoned` };
    return undefined;
  },
  wouldLift: () => "uncordon it",
};
