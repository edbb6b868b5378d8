import { z } from "zod";
import { StepFault } from "../../step.ts";
import type { TypeOf, ValueOf } from "../../values.ts";

/** What the steps have in common that decide by a score for each class. */

const MAX_LABELS = 65_536;
const MAX_LABEL_CHARACTERS = 256;
export const labels = z.array(z.string().min(1).max(MAX_LABEL_CHARACTERS)).min(1).max(MAX_LABELS);

/** What makes probabilities of a model's numbers: `none`, when they are some already. */
export const activation = z.enum(["none", "softmax", "sigmoid"]).default("none");
export type Activation = z.infer<typeof activation>;

const NUMERIC: readonly string[] = ["FP32", "FP64"];

/** Refuses what is no FP32 or FP64 [rows, classes]; returns the classes, −1: any number. */
export function classesOf({ datatype, shape }: TypeOf<"tensor">, named: readonly string[] | undefined): number {
  const [, classes = 1] = shape;
  if (!NUMERIC.includes(datatype) || shape.length > 2 || shape.length === 0)
    throw new StepFault("takes FP32 or FP64 [rows, classes]");
  if (named !== undefined && classes !== -1 && named.length !== classes)
    throw new StepFault(`labels has ${named.length} names, and there are ${classes} classes`);
  return classes;
}

/** Scores row by row, after the activation. */
export function rowsOf({ shape, data }: ValueOf<"tensor">, by: Activation): readonly Float64Array[] {
  const [rows = 0, classes = 1] = shape;
  if (Array.isArray(data)) throw new StepFault("takes numbers, and is given texts");
  return Array.from({ length: rows }, (_, row) => {
    const scores = Float64Array.from({ length: classes }, (_unused, at) => Number(data[row * classes + at]));
    return by === "none" ? scores : by === "softmax" ? softmax(scores) : scores.map(sigmoid);
  });
}

function softmax(scores: Float64Array): Float64Array {
  const largest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

const sigmoid = (score: number): number => 1 / (1 + Math.exp(-score));

/** The name of a class; its number when it has none. */
export function labelOf(named: readonly string[] | undefined, at: number): string {
  if (named === undefined) return String(at);
  const label = named[at];
  if (label === undefined) throw new StepFault(`class ${at} has no name: labels has ${named.length}`);
  return label;
}
