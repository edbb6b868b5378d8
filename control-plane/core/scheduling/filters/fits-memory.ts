import type { Filter } from "./filter.ts";

/** The node could hold the model if it were empty. */
export const nodeLargeEnough: Filter = {
  code: "node-large-enough",
  keyOf: ({ memMiB }) => memMiB,
  refuse({ node, usableMiB }, { memMiB }) {
    if (memMiB <= usableMiB) return undefined;
    return {
      verdict: "never",
      sentence: `needs ${memMiB} MiB of memory; ${node.name} has ${usableMiB} for models in all`,
    };
  },
};

/** What its placements may use leaves room for one more. */
export const fitsMemory: Filter = {
  code: "fits-memory",
  keyOf: ({ memMiB }) => memMiB,
  refuse({ node, usableMiB, reservedMiB }, { memMiB }) {
    const freeMiB = usableMiB - reservedMiB;
    return memMiB <= freeMiB
      ? undefined
      : { verdict: "not now", sentence: `needs ${memMiB} MiB of memory; ${node.name} has ${freeMiB} free` };
  },
};
