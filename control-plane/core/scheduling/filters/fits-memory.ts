import type { Amount, Filter } from "./filter.ts";

const ofNode: Amount = { of: ({ usableMiB }) => usableMiB, needed: ({ memMiB }) => memMiB };
const free: Amount = { of: ({ usableMiB, reservedMiB }) => usableMiB - reservedMiB, needed: ({ memMiB }) => memMiB };

/** The node could hold the model if it were empty. */
export const nodeLargeEnough: Filter = {
  code: "node-large-enough",
  keyOf: ofNode.needed,
  amount: ofNode,
  refuse(candidate, request) {
    const { memMiB } = request;
    if (memMiB <= ofNode.of(candidate)) return undefined;
    return {
      verdict: "never",
      sentence: `needs ${memMiB} MiB of memory; ${candidate.node.name} has ${ofNode.of(candidate)} for models in all`,
    };
  },
};

/** What its placements may use leaves room for one more. */
export const fitsMemory: Filter = {
  code: "fits-memory",
  keyOf: free.needed,
  amount: free,
  refuse(candidate, request) {
    const { memMiB } = request;
    const freeMiB = free.of(candidate);
    return memMiB <= freeMiB
      ? undefined
      : { verdict: "not now", sentence: `needs ${memMiB} MiB of memory; ${candidate.node.name} has ${freeMiB} free` };
  },
};
