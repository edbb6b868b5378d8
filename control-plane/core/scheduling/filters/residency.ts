import type { Filter } from "./filter.ts";

/** The deployment's residency allows the node's kind. */
export const residencyFilter: Filter = {
  code: "residency",
  keyOf: ({ deployment }) => deployment.spec.placement.residency,
  isOpenTo: ({ deployment }) => deployment.spec.placement.residency === "any",
  refuse({ node }, { deployment }) {
    const { residency } = deployment.spec.placement;
    const allowed = residency === "any" || residency === `${node.kind}-only`;
    return allowed
      ? undefined
      : {
          verdict: "never",
          sentence: `${deployment.name} is ${residency}; ${node.name} is ${node.kind === "edge" ? "an edge" : "a cloud"} node`,
        };
  },
  wouldLift: () => "set placement.residency to any",
};
