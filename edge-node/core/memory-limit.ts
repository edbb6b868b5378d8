/** Requests and answers beside the run, in MiB: bodies up to the setting for them, read and written as JSON. */
const BESIDE_RUNS_MIB = 256;
/** Runs of trials are made of small values; memory is taken in powers of two. */
const MARGIN = 1.25;
/** Equal figures for nearly equal models make the placements easier to read. */
const STEP_MIB = 64;
/** Share of the memory that no placement uses which one may use during its start: others may come meanwhile. */
const SHARE_OF_SPARE = 0.5;

/** Memory that a model host may use, in MiB, when its trials needed `neededMiB`; never more than it had for them. */
export const limitFor = (neededMiB: number, roomMiB: number): number =>
  Math.min(roomMiB, Math.ceil((MARGIN * neededMiB + BESIDE_RUNS_MIB) / STEP_MIB) * STEP_MIB);

/**
 * Memory that a model host may use during its start, in MiB, when `estimateMiB` is a guess: that, and half of what is
 * spare. `othersMiB`: what the other placements of the node may use together.
 */
export function startRoomMiB(of: {
  readonly estimateMiB: number;
  readonly usableMiB: number;
  readonly othersMiB: number;
  /** Free memory of the machine now. */
  readonly freeMiB: number;
}): number {
  const spareMiB = Math.min(of.usableMiB - of.othersMiB, of.freeMiB) - of.estimateMiB;
  return of.estimateMiB + Math.floor(Math.max(0, spareMiB) * SHARE_OF_SPARE);
}
