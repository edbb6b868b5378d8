import { ofNodeAlone } from "../candidates/candidate.ts";
import { isOfNeed } from "../needs/variant-need.ts";
import type { Filter } from "./filter.ts";

/** A second replica on one node would share its fate and its cores. */
export const onePerNode: Filter = {
  code: "one-per-node",
  keyOf: ofNodeAlone,
  isOfOwn: true,
  refuse({ node }, request, own) {
    const { deployment, version } = request;
    const here = own.some((placement) => placement.deployment === deployment.name && isOfNeed(placement, request));
    return here
      ? { verdict: "not now", sentence: `${node.name} already holds ${version.model}:${version.version}` }
      : undefined;
  },
};
