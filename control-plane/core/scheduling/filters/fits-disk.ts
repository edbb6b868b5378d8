import type { Filter } from "./filter.ts";

/** The artifact fits the disk above the floor that stays free. */
export const fitsDisk: Filter = {
  code: "fits-disk",
  keyOf: ({ diskMiB }) => diskMiB,
  refuse({ node, usableDiskMiB, evictionFloorDiskMiB }, { diskMiB }) {
    const freeMiB = Math.max(0, usableDiskMiB - evictionFloorDiskMiB);
    return diskMiB <= freeMiB
      ? undefined
      : {
          verdict: "not now",
          sentence: `needs ${diskMiB} MiB of disk; ${node.name} has ${freeMiB} free`,
          cause: `needs ${diskMiB} MiB of disk; ${node.name} has less`,
        };
  },
};
