import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { activation, classesOf, rowsOf } from "./scores.ts";

const label = z.string().min(1).max(256);
const params = z.strictObject({
  /** A score that is not below it is `above`. */
  at: z.number(),
  above: label,
  below: label,
  /** The column whose score counts. */
  column: z.number().int().min(0).max(65_535).default(0),
  activation,
});

/** FP32 or FP64 [rows] or [rows, classes] → one of two labels by one score; confidence is the score when it is above, else 1 − score. */
export const threshold = defineStep({
  name: "threshold",
  phase: "decide",
  takes: ["tensor"],
  params,
  check: (type, { column }) => {
    const classes = classesOf(type, undefined);
    if (classes !== -1 && column >= classes)
      throw new StepFault(`column is ${column}, and there are ${classes} columns`);
    return { kind: "decision" };
  },
  build:
    (_type, { at, above, below, column, activation: by }) =>
    (value) => {
      const scores = rowsOf(value, by).map((row) => row[column] ?? Number.NaN);
      return {
        kind: "decision",
        labels: scores.map((score) => (score >= at ? above : below)),
        confidence: Float32Array.from(scores, (score) => (score >= at ? score : 1 - score)),
      };
    },
});
