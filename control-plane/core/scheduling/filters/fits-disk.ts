import { UNKNOWN } from "./fits-memory.ts";
import type { Amount, Filter } from "./filter.ts";

/** What is free above the floor, in MiB. */
const free: Amount = {
  of: ({ usableDiskMiB, evictionFloorDiskMiB }) => Math.max(0, usableDiskMiB - evictionFloorDiskMiB),
  needed: ({ diskMiB }) => diskMiB,
};

/** The artifact fits the disk above the floor that stays free. */
export const fitsDisk: Filter = {
  code: "fits-disk",
  keyOf: free.needed,
  amount: free,
  refuse(candidate, { diskMiB }) {
    const { name } = candidate.node;
    const freeMiB = free.of(candidate);
    return diskMiB <= freeMiB
      ? undefined
      : {
          verdict: "not now",
          sentence: `needs ${diskMiB} MiB of disk; ${name} has ${freeMiB} free`,
          cause: `needs ${diskMiB} MiB of disk; ${name} has less`,
        };
  },
  wouldLift: ({ node, usableDiskMiB, evictionFloorDiskMiB }, { diskMiB }) =>
    node.capabilities ? `free ${diskMiB - (usableDiskMiB - evictionFloorDiskMiB)} MiB of disk` : UNKNOWN,
};
