import { type DoubtMeasureName, meansDoubtBelow } from "../../shared/protocol/answer-doubt.ts";
import { seededRandom } from "../../shared/base/random.ts";

/** One row of labelled data, as both models answered it. */
export interface JudgedRow {
  /** What the measure says of the small model's scores. */
  readonly value: number;
  readonly isSmallRight: boolean;
  readonly isLargeRight: boolean;
}

/** What a threshold does to rows. Shares from 0 to 1. */
export interface CascadeFigures {
  readonly rows: number;
  readonly escalated: number;
  readonly right: number;
  readonly rightOfSmall: number;
  readonly rightOfLarge: number;
}

export interface ChosenThreshold {
  readonly threshold: number;
  /** Of the rows by which it was chosen. */
  readonly chosen: CascadeFigures;
  /** Of the other half, which had no say in it. */
  readonly heldOut: CascadeFigures;
}

/** The split is the same each time. */
const SEED = 1;

/**
 * The threshold with the fewest rows asked of the large model that keeps the cascade's accuracy within `tolerance` of the large
 * model's, chosen by one half of the rows and held against the other one. `rows`: two at least.
 */
export function chooseThreshold(
  rows: readonly JudgedRow[],
  { measure, tolerance }: { readonly measure: DoubtMeasureName; readonly tolerance: number },
): ChosenThreshold {
  const random = seededRandom(SEED);
  const order = rows.map((row) => ({ row, at: random.next() })).toSorted((a, b) => a.at - b.at);
  const half = Math.ceil(rows.length / 2);
  const [used, kept] = [order.slice(0, half), order.slice(half)].map((part) => part.map(({ row }) => row));
  const isBelow = meansDoubtBelow(measure);
  const doubtfulFirst = (used ?? []).toSorted((a, b) => (isBelow ? a.value - b.value : b.value - a.value));
  const threshold = firstWithin(doubtfulFirst, tolerance, isBelow);
  const figures = (part: readonly JudgedRow[] = []): CascadeFigures => figuresOf(part, threshold, isBelow);
  return { threshold, chosen: figures(used), heldOut: figures(kept) };
}

/** The first threshold, from none in doubt to all, by which enough rows are right. Rows with one value go together. */
function firstWithin(rows: readonly JudgedRow[], tolerance: number, isBelow: boolean): number {
  const count = (is: (row: JudgedRow) => boolean): number => rows.filter(is).length;
  const enough = count(({ isLargeRight }) => isLargeRight) - tolerance * rows.length;
  let right = count(({ isSmallRight }) => isSmallRight);
  for (const [i, { value, isSmallRight, isLargeRight }] of rows.entries()) {
    if (value !== rows[i - 1]?.value && right >= enough) return value;
    right += Number(isLargeRight) - Number(isSmallRight);
  }
  const last = rows.at(-1)?.value ?? 0;
  const beyond = Math.max(1e-6, Math.abs(last) * 1e-6);
  return isBelow ? last + beyond : last - beyond;
}

function figuresOf(rows: readonly JudgedRow[], threshold: number, isBelow: boolean): CascadeFigures {
  const inDoubt = ({ value }: JudgedRow): boolean => !(isBelow ? value >= threshold : value <= threshold);
  const share = (is: (row: JudgedRow) => boolean): number => rows.filter(is).length / Math.max(1, rows.length);
  return {
    rows: rows.length,
    escalated: share(inDoubt),
    right: share((row) => (inDoubt(row) ? row.isLargeRight : row.isSmallRight)),
    rightOfSmall: share(({ isSmallRight }) => isSmallRight),
    rightOfLarge: share(({ isLargeRight }) => isLargeRight),
  };
}
