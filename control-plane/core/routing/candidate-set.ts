import { serviceMs, type RouteCandidate } from "./estimate.ts";

/** Candidates to draw from by capacity. */
export interface Urn<Candidate extends RouteCandidate> {
  readonly all: readonly Candidate[];
  /** Running sums of their capacities in requests/ms. */
  readonly capacityUpTo: Float64Array;
}

/**
 * Those who may answer requests for one version, with what holds for all requests of the next moment. Building it costs
 * a pass over them, so it is kept for many requests; what changes with every request is in their `PlacementStats`.
 */
export interface CandidateSet<Candidate extends RouteCandidate> extends Urn<Candidate> {
  /** Those that cost least; the same urn when all cost the same. */
  readonly cheapest: Urn<Candidate>;
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
  let ejected = 0;
  let mostShare = 0;
  let leastCost = Infinity;
  for (const candidate of all) {
    const { stats, cost } = candidate;
    if (stats.isEjected(now)) ejected += capacityOf(candidate);
    mostShare = Math.max(mostShare, stats.share(now));
    leastCost = Math.min(leastCost, cost);
  }
  const urn = urnOf(all);
  const cheap = all.filter(({ cost }) => cost === leastCost);
  return {
    ...urn,
    cheapest: cheap.length === all.length ? urn : urnOf(cheap),
    isPanic: ejected * 2 > (urn.capacityUpTo.at(-1) ?? 0),
    mostShare,
  };
}

function urnOf<Candidate extends RouteCandidate>(all: readonly Candidate[]): Urn<Candidate> {
  let capacity = 0;
  return { all, capacityUpTo: Float64Array.from(all, (candidate) => (capacity += capacityOf(candidate))) };
}

const capacityOf = (candidate: RouteCandidate): number => candidate.stats.slots / serviceMs(candidate);
