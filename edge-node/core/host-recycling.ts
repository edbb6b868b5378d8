/** Memory of a model host, in MiB. */
export interface HostMemory {
  /** What it may hold; 0: no limit. */
  readonly limitMiB: number;
  /** What another one in its place would be allowed. */
  readonly wantedMiB: number;
  /** What it held when it became ready, and what it holds now. */
  readonly readyMiB: number;
  readonly privateMiB: number;
}

/** From this part of its limit on the next large request may be the one that ends it. */
const NEAR_LIMIT = 0.8;
/** A model that fills its limit from the start would be replaced again and again without effect. */
const GROWN = 1.25;

/** Whether a host of this limit is about to reach it. */
export const isNearLimit = ({ limitMiB, privateMiB }: Pick<HostMemory, "limitMiB" | "privateMiB">): boolean =>
  limitMiB > 0 && privateMiB >= NEAR_LIMIT * limitMiB;

/**
 * Whether a host is so near to its limit that it should be replaced while it serves: at the limit it is killed with the
 * requests inside it. The runtime keeps the memory of its largest run, and some operators leak; another host helps when
 * this one has grown, or when the limit was raised.
 */
export const needsRecycling = (memory: HostMemory): boolean => {
  const { limitMiB, readyMiB, privateMiB } = memory;
  const isRaised = nextLimitMiB(memory) !== limitMiB;
  return isNearLimit(memory) && (privateMiB >= GROWN * readyMiB || isRaised);
};

/**
 * The limit of the host that replaces this one, in MiB; 0: none. A lowered limit waits for a start that nobody chose: in a
 * rollout it is the new version's, and would end the old one that still carries the requests.
 */
export const nextLimitMiB = ({ limitMiB, wantedMiB }: Pick<HostMemory, "limitMiB" | "wantedMiB">): number =>
  limitMiB === 0 || wantedMiB === 0 ? 0 : Math.max(limitMiB, wantedMiB);

/** Whether the machine has memory for another host beside the one that it replaces. */
export const hasRoomForAnother = ({ readyMiB }: Pick<HostMemory, "readyMiB">, memFreeMiB: number): boolean =>
  memFreeMiB >= GROWN * readyMiB;
