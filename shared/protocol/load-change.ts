/** The figures of a load report that plans and routes read of a node without requests. */
export interface LoadFigures {
  /** Percent of all cores. */
  readonly cpuPct: number;
  readonly memFreeMiB: number;
  readonly diskFreeMiB: number;
  readonly rttMs: number;
}

/** Percent of all cores. Below that the headroom of a node scores the same to within a few points. */
const CPU_PCT = 10;
/** Share of what was free. */
const FREE_SHARE = 0.05;
/** Less than this is how much one node's figure varies by itself: of a thousand idle nodes, some always do. */
const RTT_MS = 5;
const RTT_SHARE = 0.5;

/**
 * Whether plans or routes may differ with `after` from those with `before`. A node reports such a change at once, and the
 * replica that owns its session records it for the others.
 */
export function isLoadChanged(before: LoadFigures | undefined, after: LoadFigures | undefined): boolean {
  if (before === after || !after) return false;
  if (!before) return true;
  return (
    Math.abs(after.cpuPct - before.cpuPct) >= CPU_PCT ||
    differs(before.memFreeMiB, after.memFreeMiB, FREE_SHARE) ||
    differs(before.diskFreeMiB, after.diskFreeMiB, FREE_SHARE) ||
    (Math.abs(after.rttMs - before.rttMs) >= RTT_MS && differs(before.rttMs, after.rttMs, RTT_SHARE))
  );
}

const differs = (before: number, after: number, share: number): boolean => Math.abs(after - before) > share * before;
