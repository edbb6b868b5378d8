import type { PlacementStats } from "./placement-stats.ts";

export interface RouteCandidate {
  readonly placementId: string;
  readonly nodeId: string;
  /** Where its node stands on the ring of `leaning.ts`, in [0, 1). */
  readonly ring: number;
  readonly node: string;
  readonly kind: "edge" | "cloud";
  /** What an answer from there costs, 0–1: see core/fleet/node-cost.ts. */
  readonly cost: number;
  readonly rttMs: number;
  /** Service time from the warm runs, until there are samples, in µs. */
  readonly warmUs: number;
  readonly stats: PlacementStats;
}

/** Who asks, and when. */
export interface Vantage {
  /** In ms of the router's clock. */
  readonly now: number;
  /** How many send to the same placements without talking to each other. */
  readonly routers: number;
  /**
   * Which of them this is, from 0, where all get an equal share of the requests: replicas behind one address. Undefined for
   * routers at sites of their own, whose distances differ already and whose shares do too.
   */
  readonly replica: number | undefined;
}

/** A report loses half its weight in 350 ms: by then a guess says more. */
const REPORT_DECAY_MS = 500;
/** A service time of nothing would make capacities infinite, and then nothing could be compared. */
const MIN_SERVICE_MS = 0.001;

/**
 * A placement that owes answers and gives none for so many times as long as it should need is late, and nobody knows
 * until when: its silence counts from there. Sooner, and honest long runs are shunned too (simulation S8: 96.4 % goodput
 * without, 95.0 % at once).
 */
const PATIENCE = 3;

/** Mean time of one run, in ms. */
export const serviceMs = ({ stats, warmUs }: RouteCandidate): number =>
  Math.max((stats.meanUs ?? warmUs) / 1_000, MIN_SERVICE_MS);

/** When an answer may be expected, in ms: round trip, then the queue in front of us, then the run. */
export function expectedMs(candidate: RouteCandidate, vantage: Vantage): number {
  const { stats, rttMs } = candidate;
  const { slots } = stats;
  const waiting = Math.max(0, requestsThere(stats, vantage) + 1 - slots);
  return rttMs + serviceMs(candidate) * (1 + waiting / slots);
}

/**
 * Requests at the placement: our own exactly; those of others by the newest report, and the older that is, the less by it
 * and the more by a guess. Of other routers: as many as we have there. Where we are the only router, others are the
 * callers at the node itself, and what they had there on average lately is the better guess.
 */
function requestsThere(stats: PlacementStats, { now, routers }: Vantage): number {
  const { inFlight, inFlightAtReport, othersAtReport, othersMean } = stats;
  const weight = Math.exp((stats.reportedAt - now) / REPORT_DECAY_MS);
  const peers = routers - 1;
  const byReport = othersAtReport + peers * Math.max(0, inFlight - inFlightAtReport);
  const guess = peers === 0 ? othersMean : peers * inFlight;
  return inFlight + weight * byReport + (1 - weight) * guess;
}

/** A candidate and what is expected of it at this moment. */
export interface Timed<Candidate extends RouteCandidate = RouteCandidate> {
  readonly candidate: Candidate;
  /** When its answer may be expected, in ms: decides who is asked at all. */
  readonly expected: number;
  /** The same with the penalty for failures and for silence, in ms: decides who is preferred. */
  readonly eta: number;
  /** The same as `eta` if nobody else were there. */
  readonly idleEta: number;
  /** One run, in ms. */
  readonly runMs: number;
  /** Requests/ms that the placement can do. */
  readonly capacity: number;
}

export function timedOf<Candidate extends RouteCandidate>(candidate: Candidate, vantage: Vantage): Timed<Candidate> {
  const { stats, rttMs } = candidate;
  const expected = expectedMs(candidate, vantage);
  const penaltyMs = stats.penaltyMs(vantage.now);
  const lateMs = Math.max(0, stats.silentMs(vantage.now) - PATIENCE * expected);
  const runMs = serviceMs(candidate);
  return {
    candidate,
    expected,
    eta: expected + penaltyMs + lateMs,
    idleEta: rttMs + runMs + penaltyMs,
    runMs,
    capacity: stats.slots / runMs,
  };
}
