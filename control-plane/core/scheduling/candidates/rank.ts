import { versionKey } from "../../../../shared/base/version-key.ts";
import type { ExplainRecord } from "../../../../shared/api/v1/deployments/explain.ts";
import { messageOf } from "../../../../shared/base/errors.ts";
import { stableHash } from "../../hash.ts";
import { isStalled, ownPlacements, type Candidate, type PlacementRequest } from "./candidate.ts";
import type { Filter, Refusal } from "../filters/filter.ts";
import { zoneSpread } from "../filters/zone-spread.ts";
import { STATIC_FILTERS, type Profile } from "../profile.ts";
import { needOn } from "../needs/variant-need.ts";
import { scoredBy, UNKNOWN_POINTS, type ScoreContext } from "../scores/score.ts";

export type RankedNode = ExplainRecord["top"][number];
/** A refused node with its first refusal. */
export interface Rejection extends Refusal {
  readonly node: string;
}

export interface Ranked {
  readonly candidate: Candidate;
  readonly total: number;
  readonly scores: RankedNode["scores"];
}

export interface Ranking {
  /** Best first. */
  readonly feasible: readonly Ranked[];
  /** Every refused node with its first refusal. */
  readonly rejections: readonly Rejection[];
  /** The zone whose nodes only `zone-spread` refuses; undefined: none. */
  readonly crowded: string | undefined;
}

/**
 * Filters, then scores every candidate. Pure: the same candidates and need give the same order on every machine.
 * `CandidateTable` finds the best without looking at every candidate each time. `outside`: a zone that gets no replica while a
 * node of another one fits.
 */
export function rank(
  candidates: readonly Candidate[],
  need: PlacementRequest,
  { profile, outside }: { readonly profile: Profile; readonly outside?: string | undefined },
): Ranking {
  const refusals = new Map(
    candidates.map((candidate) => [candidate, firstRefusal(profile.filters, candidate, need)] as const),
  );
  const byZone = replicasByZone(candidates, need);
  const tieValue = tieBreaker(need);
  const ranked = candidates
    .filter((candidate) => refusals.get(candidate) === undefined)
    .map((candidate) => scoreOf(candidate, need, { profile, byZone }))
    .toSorted((a, b) => b.total - a.total || tieValue(b.candidate) - tieValue(a.candidate));
  const free = outside === undefined ? undefined : ranked.find(({ candidate: { node } }) => node.zone !== outside);
  const crowded =
    free === undefined || outside === undefined ? undefined : { zone: outside, free: free.candidate.node.zone };
  const isLeftOut = ({ node }: Candidate): boolean => crowded !== undefined && node.zone === crowded.zone;
  return {
    feasible: ranked.filter(({ candidate }) => !isLeftOut(candidate)),
    rejections: candidates.flatMap((candidate) => {
      const refusal = refusals.get(candidate) ?? firstRefusal([zoneSpread], candidate, { ...need, crowded });
      return refusal ? [{ node: candidate.node.name, ...refusal }] : [];
    }),
    crowded: ranked.some(({ candidate }) => isLeftOut(candidate)) ? outside : undefined,
  };
}

/** The only zone in which a deployment has replicas, where it asks for spread: the zone that `zone-spread` keeps free. */
export function onlyZone({ deployment }: PlacementRequest, zones: Iterable<string>): string | undefined {
  const [zone, ...others] = zones;
  return deployment.spec.placement.spread === "none" || others.length > 0 ? undefined : zone;
}

export function firstRefusal(
  filters: readonly Filter[],
  candidate: Candidate,
  asked: PlacementRequest,
): Refusal | undefined {
  const need = needOn(asked, candidate.node);
  const own = ownPlacements(candidate, need);
  for (const filter of filters) {
    const refusal = refusalOf(filter, candidate, { need, own });
    if (refusal) return refusal;
  }
  return undefined;
}

/** All refusals of a node, for "why not there". */
export function allRefusals(
  filters: readonly Filter[],
  candidate: Candidate,
  asked: PlacementRequest,
): readonly Refusal[] {
  const need = needOn(asked, candidate.node);
  const own = ownPlacements(candidate, need);
  return filters
    .map((filter) => refusalOf(filter, candidate, { need, own }))
    .filter((refusal) => refusal !== undefined);
}

/** Of a filter that threw, instead of its own. */
export const FILTER_ERROR = "filter-error";

/** A filter that throws must not stop planning for the rest of the fleet: its node is refused, as our fault. */
export function refusalOf(
  filter: Filter,
  candidate: Candidate,
  { need, own }: { readonly need: PlacementRequest; readonly own: ScoreContext["own"] },
): Refusal | undefined {
  try {
    const refusal = filter.refuse(candidate, need, own);
    return refusal && { code: filter.code, ...refusal };
  } catch (error) {
    return {
      code: FILTER_ERROR,
      verdict: "bug",
      sentence: `${filter.code} failed on ${candidate.node.name}: ${messageOf(error)}; please report`,
    };
  }
}

/** The weighted sum of all scores. Those of the zone are added last, so that the sum of the others can be kept. */
export function scoreOf(
  candidate: Candidate,
  asked: PlacementRequest,
  { profile, byZone }: { readonly profile: Profile; readonly byZone: ScoreContext["byZone"] },
): Ranked {
  const need = needOn(asked, candidate.node);
  const seen = { own: ownPlacements(candidate, need), byZone };
  const scores: Record<string, { score: number; weight: number; raw: string }> = {};
  for (const { score, weight } of profile.scores)
    scores[score.name] = { ...scoredBy(score, candidate, { request: need, seen }), weight };
  const total = pointsOfNode(candidate, need, { profile, seen }) + pointsOfZone(candidate, need, { profile, seen });
  return { candidate, total: roundedTotal(total), scores };
}

export const roundedTotal = (total: number): number => Math.round(total * 10) / 10;

interface Scoring {
  readonly profile: Profile;
  readonly seen: ScoreContext;
}

/** The weighted sum of the scores that do not depend on where the other replicas are. */
export const pointsOfNode = (candidate: Candidate, need: PlacementRequest, scoring: Scoring): number =>
  weightedSum(candidate, need, { ...scoring, isOfZone: false });

/** The weighted sum of the others: the same for all nodes of a zone. */
export const pointsOfZone = (candidate: Candidate, need: PlacementRequest, scoring: Scoring): number =>
  weightedSum(candidate, need, { ...scoring, isOfZone: true });

function weightedSum(
  candidate: Candidate,
  need: PlacementRequest,
  { profile, seen, isOfZone }: Scoring & { readonly isOfZone: boolean },
): number {
  let sum = 0;
  for (const { score, weight } of profile.scores) {
    if ((score.isOfZone === true) !== isOfZone) continue;
    sum += weight * (score.points(candidate, need, seen) ?? UNKNOWN_POINTS);
  }
  return sum;
}

/**
 * How many replicas of the request's deployment each zone has; zones without one are not in it. Those that others are to take the
 * place of do not count: they would make a zone look taken in which nothing answers. They have failed, make no progress, or are
 * on a node that is lost, drains or no longer matches.
 */
export function replicasByZone(candidates: Iterable<Candidate>, need: PlacementRequest): ReadonlyMap<string, number> {
  const { deployment, now } = need;
  const byZone = new Map<string, number>();
  for (const candidate of candidates) {
    const { zone } = candidate.node;
    const here = candidate.placements.filter(
      (placement) =>
        placement.deployment === deployment.name &&
        placement.state !== "failed" &&
        !isStalled(candidate, placement, now),
    ).length;
    if (here > 0 && mayKeep(candidate, need)) byZone.set(zone, (byZone.get(zone) ?? 0) + here);
  }
  return byZone;
}

/** Nothing is to replace what is there because of the node. */
function mayKeep(candidate: Candidate, need: PlacementRequest): boolean {
  const { node, state } = candidate;
  if (node.draining || state === "lost" || state === "revoked") return false;
  return STATIC_FILTERS.every((filter) => !refusalOf(filter, candidate, { need, own: [] }));
}

/** Of equal totals the higher value goes first, by rendezvous hash (Thaler, Ravishankar 1998): different versions spread over equal nodes. */
export function tieBreaker({ version }: PlacementRequest): (candidate: Candidate) => number {
  const ofVersion = stableHash(`${versionKey(version.model, version.version)}|`);
  return ({ node }) => stableHash(node.id, ofVersion);
}
