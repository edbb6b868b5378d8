import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { classesOf, rowsOf } from "./scores.ts";

const label = z.string().min(1).max(256);
const params = z
  .strictObject({
    /** From this score on it is `above`, until a score is below `fall`. */
    rise: z.number(),
    fall: z.number(),
    above: label,
    below: label,
    column: z.number().int().min(0).max(65_535).default(0),
  })
  .check(({ value, issues }) => {
    if (value.fall > value.rise)
      issues.push({ code: "custom", message: "fall is at most rise", path: ["fall"], input: value });
  });

/**
 * FP32 or FP64 [rows] or [rows, columns], rows in the order of time → a label that does not flicker between two thresholds (a Schmitt
 * trigger). A request begins `below`. Confidence is the score when it is above, else 1 − score.
 */
export const hysteresis = defineStep({
  name: "hysteresis",
  phase: "decide",
  takes: ["tensor"],
  params,
  check: (type, { column }) => {
    const columns = classesOf(type, undefined);
    if (columns !== -1 && column >= columns)
      throw new StepFault(`column is ${column}, and there are ${columns} columns`);
    return { kind: "decision" };
  },
  build:
    (_type, { rise, fall, above, below, column }) =>
    (value) => {
      let isAbove = false;
      const scores = rowsOf(value, "none").map((row) => row[column] ?? Number.NaN);
      const states = scores.map((score) => {
        isAbove = isAbove ? score >= fall : score >= rise;
        return isAbove;
      });
      return {
        kind: "decision",
        labels: states.map((state) => (state ? above : below)),
        confidence: Float32Array.from(scores, (score, row) => (states[row] === true ? score : 1 - score)),
      };
    },
});
