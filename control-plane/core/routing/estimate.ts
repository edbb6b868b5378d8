import type { PlacementStats } from "./placement-stats.ts";

export interface RouteCandidate {
  readonly placementId: string;
  readonly nodeId: string;
  readonly node: string;
  readonly kind: "edge" | "cloud";
  /** What an answer from there costs, 0–1: see core/fleet/node-cost.ts. */
  readonly cost: number;
  readonly rttMs: number;
  /** Service time from the warm runs, until there are samples, in µs. */
  readonly warmUs: number;
  readonly stats: PlacementStats;
}

/** When it is asked. */
export interface RouterContext {
  /** In ms of the router's clock. */
  readonly now: number;
}

/** A report loses half its weight in 350 ms: by then a guess says more. */
const REPORT_DECAY_MS = 500;
/** A service time of nothing would make capacities infinite, and then nothing could be compared. */
const MIN_SERVICE_MS = 0.001;

/**
 * A placement with requests outstanding that has had no response for PATIENCE × the expected time is late by an unknown
 * time: its silence counts from there. Sooner, and honest long runs are shunned too (simulation S8: 96.4 % goodput
 * without, 95.0 % at once).
 */
const PATIENCE = 3;

/** Mean time of one run, in ms. */
export const serviceMs = ({ stats, warmUs }: RouteCandidate): number =>
  Math.max((stats.meanUs ?? warmUs) / 1_000, MIN_SERVICE_MS);

/** When an answer may be expected, in ms: round trip, then the queue in front of us, then the run. */
export const expectedMs = (candidate: RouteCandidate, context: RouterContext): number =>
  answerMs(candidate, requestsThere(candidate.stats, context));

function answerMs(candidate: RouteCandidate, requests: number): number {
  const { stats, rttMs } = candidate;
  const waiting = Math.max(0, requests + 1 - stats.slots);
  return rttMs + serviceMs(candidate) * (1 + waiting / stats.slots);
}

/**
 * Requests at the placement: our own exactly; those of callers at the node itself by the newest report, and less and less
 * by it. A node has one router: the control plane that holds its channels.
 */
const requestsThere = (stats: PlacementStats, context: RouterContext): number =>
  stats.inFlight + reportWeight(stats, context) * stats.othersAtReport;

/**
 * How many requests of callers at the node itself are supposed there beyond what is known, by what they had there on
 * average lately. Good enough to prefer another node, not to refuse a request: the node itself does that.
 */
const supposedThere = (stats: PlacementStats, context: RouterContext): number =>
  stats.othersMean > 0 ? (1 - reportWeight(stats, context)) * stats.othersMean : 0;

const reportWeight = ({ reportedAt }: PlacementStats, { now }: RouterContext): number =>
  Math.exp((reportedAt - now) / REPORT_DECAY_MS);

/** A candidate and what is expected of it at this moment. */
export interface ScoredCandidate<Candidate extends RouteCandidate = RouteCandidate> {
  readonly candidate: Candidate;
  /** When its answer may be expected by what is known, in ms: decides who is asked. */
  readonly expected: number;
  /**
   * The same at the least, in ms: more than the time left, and the node would refuse the request too. A mean that fell
   * counts at once, and of an idle placement, which always takes one, only the way there and back.
   */
  readonly atLeast: number;
  /** With what is supposed, and with the penalty for failures and for silence, in ms: decides who is preferred. */
  readonly eta: number;
  /** The same as `eta` if nobody else were there. */
  readonly idleEta: number;
  /** One run, in ms. */
  readonly runMs: number;
  /** Requests/ms that the placement can do. */
  readonly capacity: number;
}

const IDLE = 0.5;

function atLeastMs({ stats, warmUs, rttMs }: RouteCandidate, requests: number): number {
  if (requests < IDLE) return rttMs;
  const runMs = Math.min(stats.meanUs ?? warmUs, stats.newestMeanUs ?? Infinity) / 1_000;
  return rttMs + (runMs * Math.max(stats.slots, requests + 1)) / stats.slots;
}

export function scoreCandidate<Candidate extends RouteCandidate>(
  candidate: Candidate,
  context: RouterContext,
): ScoredCandidate<Candidate> {
  const { stats, rttMs } = candidate;
  const there = requestsThere(stats, context);
  const expected = answerMs(candidate, there);
  const supposed = answerMs(candidate, there + supposedThere(stats, context));
  const penaltyMs = stats.penaltyMs(context.now);
  const lateMs = Math.max(0, stats.silentMs(context.now) - PATIENCE * expected);
  const runMs = serviceMs(candidate);
  return {
    candidate,
    expected,
    atLeast: atLeastMs(candidate, there),
    eta: supposed + penaltyMs + lateMs,
    idleEta: rttMs + runMs + penaltyMs,
    runMs,
    capacity: stats.slots / runMs,
  };
}
