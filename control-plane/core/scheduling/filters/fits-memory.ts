import type { Candidate, PlacementRequest } from "../candidates/candidate.ts";
import type { Amount, Filter } from "./filter.ts";

const ofNode: Amount = { of: ({ usableMiB }) => usableMiB, needed: ({ memMiB }) => memMiB };
const free: Amount = { of: ({ usableMiB, reservedMiB }) => usableMiB - reservedMiB, needed: ({ memMiB }) => memMiB };

/** A node that has never connected has not said what it has. */
export const UNKNOWN = "start it";
/** A model host takes that much before it loads anything: a smaller limit is none to advise. */
const LEAST_LIMIT_MIB = 128;

/** The limit with which the model fits beside what the node holds, if it needs no more; undefined: there is hardly any room. */
function smallerLimit({ node, usableMiB, reservedMiB }: Candidate, { version }: PlacementRequest): string | undefined {
  if (!node.capabilities) return UNKNOWN;
  const roomMiB = usableMiB - reservedMiB;
  if (roomMiB < LEAST_LIMIT_MIB || version.engine !== undefined) return undefined;
  return `set limits.memMiB to ${roomMiB}, if it needs no more`;
}

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
  wouldLift: smallerLimit,
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
  wouldLift(candidate, request) {
    const { memMiB } = request;
    // More than the node has in all cannot be freed.
    if (memMiB > ofNode.of(candidate)) return smallerLimit(candidate, request);
    return `free ${memMiB - free.of(candidate)} MiB of memory`;
  },
};
