import { serviceMs, type RouteCandidate } from "./estimate.ts";

/** Candidates to draw from by capacity. */
export interface WeightedSet<Candidate extends RouteCandidate> {
  readonly all: readonly Candidate[];
  /** Running sums of their capacities in requests/ms. */
  readonly capacityUpTo: Float64Array;
}

/**
 * Those who may answer requests for one version, with what holds for all requests of the next moment. Building it costs
 * a pass over them, so it is kept for many requests; what changes with every request is in their `PlacementStats`.
 */
export interface CandidateSet<Candidate extends RouteCandidate> extends WeightedSet<Candidate> {
  /** Those that cost least; the same set when all cost the same. */
  readonly cheapest: WeightedSet<Candidate>;
  /** More than half of their capacity is ejected: something larger is wrong, and ejection is ignored (panic, after Envoy). */
  readonly isPanic: boolean;
  /** The largest share that one of them has, so that a fleet of newcomers alone is not slowed. */
  readonly maxSlowStartWeight: number;
}

/** `now` in ms of the router's clock. */
export function candidateSet<Candidate extends RouteCandidate>(
  all: readonly Candidate[],
  now: number,
): CandidateSet<Candidate> {
  let ejected = 0;
  let maxSlowStartWeight = 0;
  let leastCost = Infinity;
  for (const candidate of all) {
    const { stats, cost } = candidate;
    if (stats.isEjected(now)) ejected += capacityOf(candidate);
    maxSlowStartWeight = Math.max(maxSlowStartWeight, stats.slowStartWeight(now));
    leastCost = Math.min(leastCost, cost);
  }
  const weighted = weightedSetOf(all);
  const cheap = all.filter(({ cost }) => cost === leastCost);
  return {
    ...weighted,
    cheapest: cheap.length === all.length ? weighted : weightedSetOf(cheap),
    isPanic: ejected * 2 > (weighted.capacityUpTo.at(-1) ?? 0),
    maxSlowStartWeight,
  };
}

function weightedSetOf<Candidate extends RouteCandidate>(all: readonly Candidate[]): WeightedSet<Candidate> {
  let capacity = 0;
  return { all, capacityUpTo: Float64Array.from(all, (candidate) => (capacity += capacityOf(candidate))) };
}

const capacityOf = (candidate: RouteCandidate): number => candidate.stats.slots / serviceMs(candidate);
