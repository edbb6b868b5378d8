import type { NodeSelector } from "../../../../shared/api/v1/nodes/node-selector.ts";
import { memo } from "../../memo.ts";
import { asksNothing, changesToMatch, unmetRequirement } from "../selector.ts";
import type { Filter } from "./filter.ts";

/** The deployment's selector over labels, kind, site, zone and name. */
export const selectorMatches: Filter = {
  code: "where-matches",
  keyOf: ({ deployment }) => textOf(deployment.spec.placement.where),
  isOpenTo: ({ deployment }) => asksNothing(deployment.spec.placement.where),
  refuse({ node }, { deployment }) {
    const unmet = unmetRequirement(deployment.spec.placement.where, {
      ...node.labels,
      kind: node.kind,
      site: node.site,
      zone: node.zone,
      name: node.name,
    });
    return unmet === undefined
      ? undefined
      : { verdict: "never", sentence: `needs ${unmet}; ${node.name} does not match` };
  },
  wouldLift({ node }, { deployment }) {
    const { kind, site, zone, name } = node;
    const changes = changesToMatch(deployment.spec.placement.where, { ...node.labels, kind, site, zone, name });
    return changes?.join(" and ");
  },
};

const textOf = memo((where: NodeSelector): string => JSON.stringify(where));
