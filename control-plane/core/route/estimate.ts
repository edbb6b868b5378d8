import type { PlacementStats } from "./placement-stats.ts";

export interface RouteCandidate {
  readonly placementId: string;
  readonly nodeId: string;
  readonly node: string;
  readonly kind: "edge" | "cloud";
  readonly rttMs: number;
  /** Service time from the warm runs, until there are samples, in µs. */
  readonly warmUs: number;
  readonly stats: PlacementStats;
}

/** A report loses half its weight in 350 ms: by then our own count says more. */
const REPORT_DECAY_MS = 500;

/**
 * When an answer may be expected, in ms: round trip, then the queue in front of us, then the run.
 * `routers` is how many control-plane replicas send to the fleet; what the others sent since the last report is
 * guessed from our own.
 */
export function expectedMs(
  candidate: RouteCandidate,
  { now, routers }: { readonly now: number; readonly routers: number },
): number {
  const { stats, rttMs, warmUs } = candidate;
  const others = stats.others(now);
  const weight = Math.exp(-others.ageMs / REPORT_DECAY_MS);
  const peers = routers - 1;
  const queued =
    stats.inFlight +
    weight * (others.count + peers * Math.max(0, stats.inFlight - others.ownAtReport)) +
    (1 - weight) * peers * stats.inFlight;
  const serviceMs = (stats.meanUs(now) ?? warmUs) / 1_000;
  const { slots } = stats;
  return rttMs + serviceMs * (1 + Math.max(0, queued + 1 - slots) / slots);
}
