import { z } from "zod";
import { defineStep } from "../../step.ts";
import { activation, column, eitherOf, label, needColumn, scoresOf } from "./scores.ts";

const params = z.strictObject({
  /** A score that is not below it is `above`. */
  at: z.number(),
  above: label,
  below: label,
  column,
  activation,
});

/** FP32 or FP64 [rows] or [rows, classes] → one of two labels by one score; confidence is the score when it is above, else 1 − score. */
export const threshold = defineStep({
  name: "threshold",
  phase: "decide",
  takes: ["tensor"],
  params,
  check: (type, given) => {
    needColumn(type, given.column);
    return { kind: "decision" };
  },
  build:
    (_type, { at, column: counts, activation: by, ...either }) =>
    (value) =>
      eitherOf(scoresOf(value, counts, by), (score) => score >= at, either),
});
