import { MAX_PLACEMENTS_PER_NODE } from "../../../../shared/protocol/limits.ts";
import { counted } from "../format.ts";
import { ofNodeAlone } from "../candidates/candidate.ts";
import type { Filter } from "./filter.ts";

/** A node's desired state must fit one message. */
export const placementLimit: Filter = {
  code: "has-slot",
  keyOf: ofNodeAlone,
  refuse({ node, placements }) {
    if (placements.length < MAX_PLACEMENTS_PER_NODE) return undefined;
    return {
      verdict: "not now",
      sentence: `${node.name} holds ${placements.length} of ${MAX_PLACEMENTS_PER_NODE} placements`,
    };
  },
  wouldLift: ({ placements }) => {
    const over = placements.length + 1 - MAX_PLACEMENTS_PER_NODE;
    return `move ${counted(over, "replica")} away from it`;
  },
};
