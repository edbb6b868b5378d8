import { z } from "zod";
import { StepFault } from "../../step.ts";
import type { TypeOf, ValueOf } from "../../values.ts";

/** What the steps have in common that decide by a score for each class. */

const MAX_LABELS = 65_536;
const MAX_LABEL_CHARACTERS = 256;
export const label = z.string().min(1).max(MAX_LABEL_CHARACTERS);
export const labels = z.array(label).min(1).max(MAX_LABELS);

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

/** The column whose score counts, for a step that decides by one. */
export const column = z.number().int().min(0).max(65_535).default(0);

/** Refuses what has no such column. */
export function needColumn(type: TypeOf<"tensor">, at: number): void {
  const columns = classesOf(type, undefined);
  if (columns !== -1 && at >= columns) throw new StepFault(`column is ${at}, and there are ${columns} columns`);
}

/** Scores row by row, after the activation. */
export function rowsOf({ shape, data }: ValueOf<"tensor">, by: Activation): readonly Float64Array[] {
  const [rows = 0, classes = 1] = shape;
  if (Array.isArray(data)) throw new StepFault("takes numbers, and is given texts");
  const all = Float64Array.from(data, Number);
  return Array.from({ length: rows }, (_, row) => {
    const scores = all.subarray(row * classes, (row + 1) * classes);
    return by === "none" ? scores : by === "softmax" ? softmax(scores) : scores.map(sigmoid);
  });
}

/** The score of one column, row by row. */
export const scoresOf = (value: ValueOf<"tensor">, at: number, by: Activation = "none"): Float64Array =>
  Float64Array.from(rowsOf(value, by), (row) => row[at] ?? Number.NaN);

/** A decision between two labels: confidence is the score when it is above, else 1 − score. */
export const eitherOf = (
  scores: Float64Array,
  isAbove: (score: number) => boolean,
  { above, below }: { readonly above: string; readonly below: string },
): ValueOf<"decision"> => {
  const states = Array.from(scores, isAbove);
  return {
    kind: "decision",
    labels: states.map((state) => (state ? above : below)),
    confidence: Float32Array.from(scores, (score, row) => (states[row] === true ? score : 1 - score)),
  };
};

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
