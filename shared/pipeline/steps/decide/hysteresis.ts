import { z } from "zod";
import { defineStep } from "../../step.ts";
import { column, eitherOf, label, needColumn, scoresOf } from "./scores.ts";

const params = z
  .strictObject({
    /** From this score on it is `above`, until a score is below `fall`. */
    rise: z.number(),
    fall: z.number(),
    above: label,
    below: label,
    column,
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
  check: (type, given) => {
    needColumn(type, given.column);
    return { kind: "decision" };
  },
  build:
    (_type, { rise, fall, column: counts, ...either }) =>
    (value) => {
      let isAbove = false;
      return eitherOf(scoresOf(value, counts), (score) => (isAbove = isAbove ? score >= fall : score >= rise), either);
    },
});
