/** Replicas of one deployment that need a place in the pods of a pool: no two of them in one pod. */
export interface PackedItem {
  readonly deployment: string;
  readonly memMiB: number;
  readonly count: number;
}

/** Room in a pod. */
export interface Bin {
  readonly freeMiB: number;
  readonly deployments: ReadonlySet<string>;
}

/**
 * How many pods of `podMiB` are needed beside `bins` for all items: first fit, largest first. An item that is larger than a
 * pod is left out, since no number of pods would hold it.
 */
export function podsNeeded(items: readonly PackedItem[], bins: readonly Bin[], podMiB: number): number {
  const open = bins.map(({ freeMiB, deployments }) => ({ freeMiB, deployments: new Set(deployments) }));
  const before = open.length;
  for (const { deployment, memMiB, count } of items.toSorted((a, b) => b.memMiB - a.memMiB)) {
    if (memMiB > podMiB) continue;
    for (let replica = 0; replica < count; replica += 1) {
      let bin = open.find(({ freeMiB, deployments }) => freeMiB >= memMiB && !deployments.has(deployment));
      if (!bin) {
        bin = { freeMiB: podMiB, deployments: new Set() };
        open.push(bin);
      }
      bin.freeMiB -= memMiB;
      bin.deployments.add(deployment);
    }
  }
  return open.length - before;
}
