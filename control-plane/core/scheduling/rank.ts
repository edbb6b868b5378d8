import { versionKey } from "../../../shared/base/version-key.ts";
import type { ExplainRecord } from "../../../shared/api/v1/explain.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Candidate, PlacementRequest } from "./candidate.ts";
import type { Filter, Refusal } from "./filters/filter.ts";
import type { Profile } from "./profile.ts";
import { stableHash } from "../hash.ts";

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
}

/** Filters, then scores every candidate. Pure: the same candidates and need give the same order on every machine. */
export function rank(candidates: readonly Candidate[], need: PlacementRequest, profile: Profile): Ranking {
  const rejections: Rejection[] = [];
  const fitting: Candidate[] = [];
  for (const candidate of candidates) {
    const refusal = firstRefusal(profile.filters, candidate, need);
    if (refusal) rejections.push({ node: candidate.node.name, ...refusal });
    else fitting.push(candidate);
  }
  const feasible = fitting
    .map((candidate) => scoreOf(candidate, need, { profile, candidates }))
    .toSorted(betterFirst(need));
  return { feasible, rejections };
}

export function firstRefusal(
  filters: readonly Filter[],
  candidate: Candidate,
  need: PlacementRequest,
): Refusal | undefined {
  for (const filter of filters) {
    const refusal = ask(filter, candidate, need);
    if (refusal) return refusal;
  }
  return undefined;
}

/** All refusals of a node, for "why not there". */
export const allRefusals = (
  filters: readonly Filter[],
  candidate: Candidate,
  need: PlacementRequest,
): readonly Refusal[] =>
  filters.map((filter) => ask(filter, candidate, need)).filter((refusal) => refusal !== undefined);

/** A filter that throws must not stop planning for the rest of the fleet: its node is refused, as our fault. */
function ask(filter: Filter, candidate: Candidate, need: PlacementRequest): Refusal | undefined {
  try {
    const refusal = filter.refuse(candidate, need);
    return refusal && { code: filter.code, ...refusal };
  } catch (error) {
    return {
      code: "filter-error",
      verdict: "bug",
      sentence: `${filter.code} failed on ${candidate.node.name}: ${messageOf(error)}; please report`,
    };
  }
}

export function scoreOf(
  candidate: Candidate,
  need: PlacementRequest,
  { profile, candidates }: { readonly profile: Profile; readonly candidates: readonly Candidate[] },
): Ranked {
  const scores: Record<string, { score: number; weight: number; raw: string }> = {};
  let total = 0;
  for (const { score, weight } of profile.scores) {
    const scored = score.of(candidate, need, candidates);
    scores[score.name] = { ...scored, weight };
    total += weight * scored.score;
  }
  return { candidate, total: Math.round(total * 10) / 10, scores };
}

/** Higher total first; equal ones by rendezvous hash (Thaler, Ravishankar 1998), so that different versions spread over equal nodes. */
function betterFirst({ version }: PlacementRequest): (a: Ranked, b: Ranked) => number {
  const tieValue = ({ candidate }: Ranked): number =>
    stableHash(`${versionKey(version.model, version.version)}|${candidate.node.id}`);
  return (a, b) => b.total - a.total || tieValue(b) - tieValue(a);
}
