/** Memory of a model host, in MiB. */
export interface HostMemory {
  /** What it may hold; 0: no limit. */
  readonly limitMiB: number;
  /** What it held when it became ready, and what it holds now. */
  readonly readyMiB: number;
  readonly ownMiB: number;
}

/** From this part of its limit on the next large request may be the one that ends it. */
const NEAR_LIMIT = 0.8;
/** A model that fills its limit from the start would be replaced for ever, and for nothing. */
const GROWN = 1.25;

/**
 * Whether a host has grown so near to its limit that it should be replaced while it serves: at the limit it is killed
 * with the requests inside it. The runtime keeps the memory of its largest run, and some operators leak.
 */
export const isWorn = ({ limitMiB, readyMiB, ownMiB }: HostMemory): boolean =>
  limitMiB > 0 && ownMiB >= NEAR_LIMIT * limitMiB && ownMiB >= GROWN * readyMiB;

/** Whether the machine has memory for another host beside the one that it replaces. */
export const hasRoomForAnother = ({ readyMiB }: Pick<HostMemory, "readyMiB">, memFreeMiB: number): boolean =>
  memFreeMiB >= GROWN * readyMiB;
