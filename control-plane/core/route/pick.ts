import type { Random } from "../../../shared/random.ts";
import { expectedMs, type RouteCandidate } from "./estimate.ts";

/** Who may answer is settled; this says who does. */
export interface PickContext {
  readonly now: number;
  readonly random: Random;
  readonly routers: number;
  /** Time left to the caller, in ms. */
  readonly timeLeftMs: number;
  /** Nodes that were asked already. */
  readonly exclude: ReadonlySet<string>;
  readonly preferKind: "edge" | "cloud" | undefined;
}

export type Pick =
  | {
      readonly kind: "picked";
      readonly candidate: RouteCandidate;
      readonly etaMs: number;
      readonly reason: PickReason;
      readonly considered: number;
    }
  /** `none-ready`: nobody is left to ask. `late`: nobody would answer in time. */
  | { readonly kind: "refused"; readonly reason: "none-ready" | "late"; readonly considered: number };

export type PickReason = "only" | "least-eta" | "near-tie" | "preferred" | "sampled";

/** Those within this of the best are as good: choosing among them at random keeps routers from herding. */
const BAND_FACTOR = 1.15;
const BAND_MS = 2;
/** Beyond this many, three are sampled by capacity instead of scanning all. */
const SCAN_AT_MOST = 64;
const SAMPLE = 3;

interface Timed {
  readonly candidate: RouteCandidate;
  /** When its answer may be expected, in ms: decides who is asked at all. */
  readonly expected: number;
  /** The same with the penalty for failures, in ms: decides who is preferred. */
  readonly eta: number;
  /** Requests/ms that the placement can do. */
  readonly capacity: number;
}

/**
 * Least expected time of answer, with a random choice by capacity among near ties. Up to half of the candidates'
 * capacity may be ejected; beyond that ejection is ignored, since something larger is wrong (panic, after Envoy).
 */
export function pick(candidates: readonly RouteCandidate[], context: PickContext): Pick {
  const { now, routers, random, timeLeftMs, exclude } = context;
  const open = candidates.filter((candidate) => !exclude.has(candidate.nodeId));
  if (open.length === 0) return { kind: "refused", reason: "none-ready", considered: 0 };
  const timed = withoutEjected(open, now).map((candidate) => timedOf(candidate, { now, routers }));
  const preferred = context.preferKind ? timed.filter(({ candidate }) => candidate.kind === context.preferKind) : [];
  const pool = preferred.length > 0 ? preferred : timed;
  const sample = pool.length > SCAN_AT_MOST ? sampleByCapacity(pool, random) : pool;
  const inTime = sample.filter(({ expected }) => expected <= timeLeftMs);
  if (inTime.length === 0) return { kind: "refused", reason: "late", considered: sample.length };

  const best = Math.min(...inTime.map(({ eta }) => eta));
  const band = inTime.filter(({ eta }) => eta <= BAND_FACTOR * best + BAND_MS);
  const chosen = weightedChoice(band, random);
  const reason = reasonFor({
    open: open.length,
    preferred: preferred.length > 0,
    isSampled: sample !== pool,
    band: band.length,
  });
  return { kind: "picked", candidate: chosen.candidate, etaMs: chosen.eta, reason, considered: sample.length };
}

function timedOf(candidate: RouteCandidate, { now, routers }: { now: number; routers: number }): Timed {
  const serviceMs = Math.max((candidate.stats.meanUs(now) ?? candidate.warmUs) / 1_000, 0.001);
  const expected = expectedMs(candidate, { now, routers });
  return {
    candidate,
    expected,
    eta: expected + candidate.stats.penaltyMs(now),
    capacity: candidate.stats.slots / serviceMs,
  };
}

function withoutEjected(candidates: readonly RouteCandidate[], now: number): readonly RouteCandidate[] {
  const sound = candidates.filter(({ stats }) => !stats.isEjected(now));
  const slotsOf = (some: readonly RouteCandidate[]): number => some.reduce((sum, { stats }) => sum + stats.slots, 0);
  return slotsOf(sound) * 2 >= slotsOf(candidates) ? sound : candidates;
}

function reasonFor(found: { open: number; preferred: boolean; isSampled: boolean; band: number }): PickReason {
  if (found.open === 1) return "only";
  if (found.preferred) return "preferred";
  if (found.isSampled) return "sampled";
  return found.band > 1 ? "near-tie" : "least-eta";
}

function weightedChoice(band: readonly Timed[], random: Random): Timed {
  let left = random.next() * band.reduce((sum, { capacity }) => sum + capacity, 0);
  for (const entry of band) {
    left -= entry.capacity;
    if (left < 0) return entry;
  }
  return band.at(-1) as Timed;
}

function sampleByCapacity(pool: readonly Timed[], random: Random): readonly Timed[] {
  let rest = pool;
  const sample: Timed[] = [];
  while (sample.length < SAMPLE) {
    const next = weightedChoice(rest, random);
    sample.push(next);
    rest = rest.filter((entry) => entry !== next);
  }
  return sample;
}
