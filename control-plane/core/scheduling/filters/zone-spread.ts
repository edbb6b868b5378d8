import type { Filter } from "./filter.ts";

/**
 * Not all replicas are in one zone while a node of another fits. What the other filters say of all nodes decides whether it is
 * asked: where nobody outside the zone fits, the zone takes the next replica too.
 */
export const zoneSpread: Filter = {
  code: "zone-spread",
  keyOf: ({ crowded }) => crowded?.zone ?? "",
  refuse({ node }, { crowded }) {
    if (crowded === undefined || node.zone !== crowded.zone) return undefined;
    return {
      verdict: "not now",
      sentence: `all replicas would be in zone ${crowded.zone}; zone ${crowded.free} is free`,
    };
  },
  wouldLift: () => "set placement.spread to none",
};
