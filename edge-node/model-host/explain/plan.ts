/** One row of an input, as the model takes it. */
export type NumericRow =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/**
 * How one row is explained: by the scores that the model gives to variants of it. A plan runs nothing itself, so that its
 * cost is known before the first run, and its variants can share runs.
 */
export interface ExplanationPlan {
  /** Variants of the row. */
  readonly evaluations: number;
  /** Writes variant `i` over `into`, which holds the row itself. */
  write(i: number, into: NumericRow): void;
  /** The influence of each element, from the scores of all variants in their order. Larger: more influence. */
  attribute(scores: Float64Array): Float32Array;
}

/** What stands for the value of element `i` where it is absent. `baseline` has one number, or one for each element. */
export const absentValue = (baseline: readonly number[], i: number): number => baseline[i] ?? baseline[0] ?? 0;

/** The elements of a row that are not as if absent. What is absent already has no influence, and costs no run. */
export const presentElements = (row: NumericRow, baseline: readonly number[]): readonly number[] =>
  Array.from(row.keys()).filter((i) => row[i] !== absentValue(baseline, i));
