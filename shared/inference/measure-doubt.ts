import { type AnswerDoubt, type DoubtMeasureName, meansDoubtBelow } from "../protocol/answer-doubt.ts";
import type { Tensor } from "./tensors/datatypes.ts";

/** A sum of scores so near to 1 is one of probabilities. */
const ROUNDING = 1e-3;

/**
 * How sure a row of scores is, by one measure. Scores that are no probabilities are made such by softmax for margin, confidence and
 * entropy; a single score is that of the second of two classes, by the logistic function unless it is between 0 and 1. Energy is of
 * the scores as they are (Liu et al., "Energy-based Out-of-distribution Detection", 2020).
 */
export function measured(scores: readonly number[], measure: DoubtMeasureName): number {
  if (measure === "energy") return -logSumExp(scores);
  const probabilities = asProbabilities(scores);
  if (measure === "entropy") return probabilities.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);
  const [first = 0, second = 0] = probabilities.toSorted((a, b) => b - a);
  return measure === "margin" ? first - second : first;
}

/** Whether a row with this value is in doubt. One that is no number is. */
export const isInDoubt = (value: number, { measure, threshold }: Pick<AnswerDoubt, "measure" | "threshold">): boolean =>
  !(meansDoubtBelow(measure) ? value >= threshold : value <= threshold);

/** Whether any row of the output is in doubt: a request is asked of the large model as a whole. */
export function isDoubtful(output: Tensor, doubt: AnswerDoubt): boolean {
  return rowsOf(output).some((row) => isInDoubt(measured(row, doubt.measure), doubt));
}

/** The rows of an output as numbers; a row is what belongs to one place of its first dimension. */
export function rowsOf({ shape, data }: Tensor): readonly (readonly number[])[] {
  const rows = shape[0] ?? 1;
  const width = rows === 0 ? 0 : data.length / rows;
  return Array.from({ length: rows }, (_, row) => Array.from(data.slice(row * width, (row + 1) * width), Number));
}

function asProbabilities(scores: readonly number[]): readonly number[] {
  const [only = 0] = scores;
  if (scores.length === 1) {
    const p = only >= 0 && only <= 1 ? only : 1 / (1 + Math.exp(-only));
    return [1 - p, p];
  }
  const sum = scores.reduce((total, score) => total + score, 0);
  if (Math.abs(sum - 1) <= ROUNDING && scores.every((score) => score >= 0)) return scores;
  const whole = logSumExp(scores);
  return scores.map((score) => Math.exp(score - whole));
}

function logSumExp(scores: readonly number[]): number {
  const largest = Math.max(...scores);
  return largest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - largest), 0));
}
