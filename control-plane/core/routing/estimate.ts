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
  /** Of a request for text: bytes of its body. */
  readonly textBytes?: number | undefined;
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

/** Mean time of one run, in ms; of a model that writes text, until its first token. */
export const serviceMs = ({ stats, warmUs }: RouteCandidate): number =>
  Math.max((stats.meanUs ?? warmUs) / 1_000, MIN_SERVICE_MS);

/** When an answer may be expected, in ms: round trip, then the queue in front of us, then the run. Of a text: its first token. */
export function expectedMs(candidate: RouteCandidate, context: RouterContext): number {
  const others = othersThere(candidate.stats, context);
  return answerMs(candidate, ownThere(candidate, others), others) + promptMs(candidate, context);
}

/** How much longer than on average this request's prompt takes, in ms; negative when it is short. */
function promptMs(candidate: RouteCandidate, { textBytes }: RouterContext): number {
  const firstMs = textBytes === undefined ? undefined : candidate.stats.pace.firstMs(textBytes);
  return firstMs === undefined ? 0 : firstMs - serviceMs(candidate);
}

/**
 * `own` and `others`: requests at the placement now. While ours travels, our own are worked off; those of callers at the
 * node are followed by more of them. Without that, far nodes were asked too little: simulation S1 at ρ .9 took 172 ms
 * instead of 157, and S18 125 instead of 112 with others' requests worked off, too.
 */
function answerMs(candidate: RouteCandidate, own: number, others: number): number {
  const { stats, rttMs } = candidate;
  const runMs = serviceMs(candidate);
  const waitMs = (runMs * Math.max(0, own + others + 1 - stats.slots)) / stats.slots;
  const workedOffMs = Math.min(rttMs / 2, (runMs * own) / stats.slots);
  return rttMs + runMs + Math.max(0, waitMs - workedOffMs);
}

/**
 * Our own requests at the placement or on their way there: those in flight without the answers on their way back. By
 * Little's law the share of the way back in a request's time is its share of the requests in flight: S1 at ρ .8 went from
 * 145 to 140 ms.
 */
function ownThere(candidate: RouteCandidate, others: number): number {
  const { inFlight } = candidate.stats;
  if (inFlight === 0) return 0;
  return inFlight * (1 - candidate.rttMs / 2 / answerMs(candidate, inFlight, others));
}

/** Requests of callers at the node itself: by the newest report, and less and less by it. */
const othersThere = (stats: PlacementStats, context: RouterContext): number =>
  reportWeight(stats, context) * stats.othersAtReport;

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
  /** Requests at the placement: ours, and others' as far as is known. */
  readonly load: number;
  /** What a prompt that is in its cache saves, in ms. */
  readonly prefixMs: number;
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
  const others = othersThere(stats, context);
  const own = ownThere(candidate, others);
  const morePromptMs = promptMs(candidate, context);
  const expected = answerMs(candidate, own, others) + morePromptMs;
  const supposed = answerMs(candidate, own, others + supposedThere(stats, context)) + morePromptMs;
  const penaltyMs = stats.penaltyMs(context.now);
  const lateMs = Math.max(0, stats.silentMs(context.now) - PATIENCE * expected);
  const runMs = serviceMs(candidate);
  // Which replica is soonest depends on its last token, too.
  const restMs = context.textBytes === undefined ? 0 : stats.pace.restMs;
  return {
    candidate,
    expected,
    atLeast: atLeastMs(candidate, own + others),
    eta: supposed + penaltyMs + lateMs + restMs,
    idleEta: rttMs + runMs + morePromptMs + penaltyMs + restMs,
    runMs,
    capacity: stats.slots / runMs,
    load: stats.inFlight + others,
    prefixMs: runMs + morePromptMs,
  };
}
