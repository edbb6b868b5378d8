import type { Ranked, Ranking, Rejection } from "../candidates/rank.ts";

/** Nodes that a record shows with their scores. */
export const TOP = 5;
/** Those, and the one that comes next when one of them is chosen. */
export const RANKED = TOP + 1;
/** Refusals that a record names one by one; the rest are in its counts. With 1,000 nodes a record would else take 120 kB. */
export const NAMED_REJECTIONS = 50;

/** What a decision and its record need of a ranking. */
export interface RankingSummary {
  /** Nodes that were looked at. */
  readonly evaluated: number;
  /** How many of them fit. */
  readonly feasible: number;
  /** The best, best first. */
  readonly top: readonly Ranked[];
  /** The zone that `zone-spread` keeps free; undefined: none. */
  readonly crowded: string | undefined;
  /** How many each filter refused, and the first of them; in the order of these. */
  readonly refusals: readonly { readonly count: number; readonly first: Rejection }[];
  /** The first of the refused nodes. */
  readonly rejections: readonly Rejection[];
}

export function summaryOf({ feasible, rejections, crowded }: Ranking): RankingSummary {
  const refusals = [...Map.groupBy(rejections, ({ code }) => code).values()].flatMap((group) => {
    const [first] = group;
    return first ? [{ count: group.length, first }] : [];
  });
  return {
    evaluated: feasible.length + rejections.length,
    feasible: feasible.length,
    top: feasible.slice(0, RANKED),
    crowded,
    refusals,
    rejections: rejections.slice(0, NAMED_REJECTIONS),
  };
}
