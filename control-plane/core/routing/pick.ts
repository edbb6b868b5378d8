import type { Random } from "../../../shared/base/random.ts";
import { stableHash } from "../hash.ts";
import { byAffinity, fractionOf } from "./affinity.ts";
import type { CandidateSet, WeightedSet } from "./candidate-set.ts";
import { homeOfStream } from "./stream-home.ts";
import { scoreCandidate, type RouteCandidate, type ScoredCandidate, type RouterContext } from "./estimate.ts";
import { limitOf, applyPreference, type RoutePreference } from "./apply-preference.ts";

/** Who may answer is settled; this says who does. */
export interface PickContext<Candidate extends RouteCandidate> extends RouterContext, RoutePreference {
  readonly random: Random;
  /** Time left to the caller, in ms. */
  readonly timeLeftMs: number;
  /** False for those that were asked already or cannot be reached at this moment. */
  readonly mayTake: (candidate: Candidate) => boolean;
  /** The hash of the session that the request belongs to; undefined: it belongs to none. */
  readonly session?: number | undefined;
  /** The stream that the request belongs to: its home has it, whatever its load. */
  readonly stream?: string | undefined;
}

export type Pick<Candidate extends RouteCandidate> =
  | {
      readonly kind: "picked";
      readonly candidate: Candidate;
      readonly etaMs: number;
      readonly reason: PickReason;
      /** How many were compared. */
      readonly considered: number;
    }
  /** `none-ready`: nobody is left to ask. `late`: nobody would answer in time. */
  | { readonly kind: "refused"; readonly reason: "none-ready" | "late"; readonly considered: number };

export type PickReason =
  | "only"
  | "affinity"
  | "least-eta"
  | "near-tie"
  | "sampled"
  | "cheapest"
  | "preferred"
  | "overflow";

/** Those within this of the best are as good: choosing among them at random keeps requests from herding. */
const nearTie = (bestMs: number): number => 1.15 * bestMs + 2;
/** Beyond this many candidates three are drawn by capacity instead of comparing all. */
const COMPARE_AT_MOST = 64;
const SAMPLE = 3;
/** Draws for a sample of three; where they do not find three that may answer, all are looked at. */
const DRAWS = 12;

/**
 * Least expected time of answer, with a random choice by capacity among near ties. The preference, and without one the SLO,
 * first narrows the choice. Pure, but for the chance that it draws.
 */
export function pick<Candidate extends RouteCandidate>(
  set: CandidateSet<Candidate>,
  context: PickContext<Candidate>,
): Pick<Candidate> {
  const { stream } = context;
  const isLarge = set.all.length > COMPARE_AT_MOST && context.session === undefined && stream === undefined;
  const drawn = isLarge ? draw(set, context) : undefined;
  if (drawn) return choose(drawn.sample, drawn.sample, { context, found: drawn.reason });

  const timed = healthyCandidates(set, context);
  if (timed.length === 0) return { kind: "refused", reason: "none-ready", considered: 0 };
  if (stream !== undefined) return atHome(stream, timed);
  const expected = timed.filter((entry) => entry.expected <= context.timeLeftMs);
  // Nobody is refused here whom a node might take: its own figures are newer.
  const inTime = expected.length > 0 ? expected : timed.filter(({ atLeast }) => atLeast <= context.timeLeftMs);
  if (inTime.length === 0) return { kind: "refused", reason: "late", considered: timed.length };
  const { pool, reason } = applyPreference(applySlowStart(inTime, context), context);
  const found = timed.length === 1 ? "only" : reason;
  return choose(pool, timed, { context, found });
}

/** The home of a stream. It is not refused for its time: what it keeps is nowhere else, and the node's own figures are newer. */
function atHome<Candidate extends RouteCandidate>(
  stream: string,
  timed: readonly ScoredCandidate<Candidate>[],
): Pick<Candidate> {
  const home = homeOfStream(
    stream,
    timed.map(({ candidate }) => candidate.placementId),
  );
  const found = timed.find(({ candidate }) => candidate.placementId === home);
  if (found === undefined) return { kind: "refused", reason: "none-ready", considered: 0 };
  const reason = timed.length === 1 ? "only" : "affinity";
  return { kind: "picked", candidate: found.candidate, etaMs: found.eta, reason, considered: timed.length };
}

interface Found<Candidate extends RouteCandidate> {
  readonly context: PickContext<Candidate>;
  /** Why it came to this pool; undefined: nobody was left out. */
  readonly found: PickReason | undefined;
}

/** The choice among `pool`; `all` are those whom it is compared with to see whether it is an overflow. */
function choose<Candidate extends RouteCandidate>(
  pool: readonly ScoredCandidate<Candidate>[],
  all: readonly ScoredCandidate<Candidate>[],
  { context, found }: Found<Candidate>,
): Pick<Candidate> {
  let soonest = Infinity;
  for (const entry of pool) soonest = Math.min(soonest, entry.eta);
  const home = context.session === undefined ? undefined : homeOf(context.session, pool, soonest);
  if (home !== undefined)
    return {
      kind: "picked",
      candidate: home.candidate,
      etaMs: home.eta,
      reason: pool.length === 1 && found !== undefined ? found : "affinity",
      considered: all.length,
    };
  const band = pool.filter((entry) => entry.eta <= nearTie(soonest));
  const { candidate, eta } = byCapacity(band, context.random);
  const goodUntil = Math.max(nearTie(soonest), limitOf(context) ?? 0);
  const isOverflow = found !== "only" && found !== "preferred" && isOverflowing(candidate, all, goodUntil);
  const reason = isOverflow ? "overflow" : (found ?? (band.length > 1 ? "near-tie" : "least-eta"));
  return { kind: "picked", candidate, etaMs: eta, reason, considered: all.length };
}

/**
 * The replica that has the session's prompts in its cache, as far as its load is within its bound. What the cache saves it
 * may be later than the soonest one; undefined when everybody who may take the session is later than that.
 */
function homeOf<Candidate extends RouteCandidate>(
  session: number,
  pool: readonly ScoredCandidate<Candidate>[],
  soonest: number,
): ScoredCandidate<Candidate> | undefined {
  const entries = pool.map((scored) => ({
    scored,
    id: stableHash(scored.candidate.placementId),
    load: scored.load,
    weight: scored.candidate.stats.slots,
  }));
  return byAffinity(session, entries).find(({ scored }) => scored.eta - scored.prefixMs <= nearTie(soonest))?.scored;
}

/** A cheaper one would be as fast if it were idle: the more expensive one answers only because the cheaper one is busy. */
const isOverflowing = (chosen: RouteCandidate, all: readonly ScoredCandidate[], goodUntil: number): boolean =>
  all.some(({ candidate, idleEta, eta }) => candidate.cost < chosen.cost && idleEta <= goodUntil && eta > goodUntil);

/** Those that may take the request and are not ejected; in a panic, or when nobody else is left, the ejected ones too. */
function healthyCandidates<Candidate extends RouteCandidate>(
  { all, isPanic }: CandidateSet<Candidate>,
  context: PickContext<Candidate>,
): ScoredCandidate<Candidate>[] {
  const sound: ScoredCandidate<Candidate>[] = [];
  const ejected: ScoredCandidate<Candidate>[] = [];
  for (const candidate of all) {
    if (!context.mayTake(candidate)) continue;
    const group = !isPanic && candidate.stats.isEjected(context.now) ? ejected : sound;
    group.push(scoreCandidate(candidate, context));
  }
  return sound.length > 0 ? sound : ejected;
}

/**
 * Slow start: a request looks at a placement that is coming back with the probability of the share that it has by then,
 * compared with the one that has most. A weight among near ties would not do: an idle newcomer has no ties.
 */
function applySlowStart<Candidate extends RouteCandidate>(
  timed: ScoredCandidate<Candidate>[],
  { now, random, session }: PickContext<Candidate>,
): ScoredCandidate<Candidate>[] {
  let most = 0;
  let least = 1;
  for (const { candidate } of timed) {
    const share = candidate.stats.slowStartWeight(now);
    if (share > most) most = share;
    if (share < least) least = share;
  }
  if (least === most) return timed;
  return timed.filter(({ candidate }) => {
    const share = candidate.stats.slowStartWeight(now);
    // A session comes over once, and does not go to and fro.
    const drawn = session === undefined ? random.next() : fractionOf(session);
    return share === most || drawn * most < share;
  });
}

function byCapacity<Candidate extends RouteCandidate>(
  pool: readonly ScoredCandidate<Candidate>[],
  random: Random,
): ScoredCandidate<Candidate> {
  let sum = 0;
  for (const { capacity } of pool) sum += capacity;
  let left = random.next() * sum;
  for (const entry of pool) {
    left -= entry.capacity;
    if (left < 0) return entry;
  }
  return pool.at(-1) as ScoredCandidate<Candidate>; // never of an empty pool: rounding alone leads here
}

/**
 * Three different ones by capacity, of the cheapest where cost decides, in time that does not grow with their number;
 * undefined when chance does not find three that are good enough.
 */
function draw<Candidate extends RouteCandidate>(
  set: CandidateSet<Candidate>,
  context: PickContext<Candidate>,
): { readonly sample: readonly ScoredCandidate<Candidate>[]; readonly reason: PickReason } | undefined {
  const { prefer, timeLeftMs } = context;
  if (prefer === "edge" || prefer === "cloud") return undefined;
  const goodUntil = limitOf(context);
  const weighted = goodUntil === undefined ? set : set.cheapest;
  const sample: ScoredCandidate<Candidate>[] = [];
  for (let count = 0; count < DRAWS && sample.length < SAMPLE; count += 1) {
    const candidate = drawOne(weighted, context.random);
    if (!candidate || sample.some((entry) => entry.candidate === candidate)) continue;
    if (!isEligible(candidate, set, context)) continue;
    const timed = scoreCandidate(candidate, context);
    if (timed.expected <= timeLeftMs && timed.eta <= (goodUntil ?? Infinity)) sample.push(timed);
  }
  if (sample.length < SAMPLE) return undefined;
  const isForCost = weighted.all.length < set.all.length;
  return { sample, reason: isForCost ? (prefer === "cheap" ? "preferred" : "cheapest") : "sampled" };
}

function drawOne<Candidate extends RouteCandidate>(
  { all, capacityUpTo }: WeightedSet<Candidate>,
  random: Random,
): Candidate | undefined {
  return all[indexAbove(capacityUpTo, random.next() * (capacityUpTo.at(-1) ?? 0))];
}

/** May take the request, is not ejected, and passes the slow-start draw. */
function isEligible<Candidate extends RouteCandidate>(
  candidate: Candidate,
  { isPanic, maxSlowStartWeight }: CandidateSet<Candidate>,
  { now, random, mayTake }: PickContext<Candidate>,
): boolean {
  const { stats } = candidate;
  if (!mayTake(candidate) || (!isPanic && stats.isEjected(now))) return false;
  const share = stats.slowStartWeight(now);
  return share >= maxSlowStartWeight || random.next() * maxSlowStartWeight < share;
}

/** Index of the first of the ascending `sums` above `value`. */
function indexAbove(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
