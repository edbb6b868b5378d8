import { serviceMs, type RouteCandidate } from "./estimate.ts";

/**
 * Those who may answer requests for one version, with what holds for all requests of the next moment. Building it costs
 * a pass over them, so it is kept for many requests; what changes with every request is in their `PlacementStats`.
 */
export interface CandidateSet<Candidate extends RouteCandidate> {
  readonly all: readonly Candidate[];
  /** Running sums of their capacities in requests/ms, for sampling by capacity. */
  readonly capacityUpTo: Float64Array;
  /** More than half of their capacity is ejected: something larger is wrong, and ejection is ignored (panic, after Envoy). */
  readonly isPanic: boolean;
  /** The largest share that one of them has, so that a fleet of newcomers alone is not slowed. */
  readonly mostShare: number;
}

/** `now` in ms of the router's clock. */
export function candidateSet<Candidate extends RouteCandidate>(
  all: readonly Candidate[],
  now: number,
): CandidateSet<Candidate> {
  const capacityUpTo = new Float64Array(all.length);
  let capacity = 0;
  let ejected = 0;
  let mostShare = 0;
  for (const [index, candidate] of all.entries()) {
    const own = candidate.stats.slots / serviceMs(candidate, now);
    capacity += own;
    if (candidate.stats.isEjected(now)) ejected += own;
    capacityUpTo[index] = capacity;
    mostShare = Math.max(mostShare, candidate.stats.share(now));
  }
  return { all, capacityUpTo, isPanic: ejected * 2 > capacity, mostShare };
}
