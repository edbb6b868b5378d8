import { z } from "zod";
import { defineStep } from "../../step.ts";
import { activation, classesOf, labelOf, labels, rowsOf } from "./scores.ts";

const params = z.strictObject({
  /** Names of the classes, in order; left out: those that the model says, else their numbers. */
  labels: labels.optional(),
  activation,
});

/** FP32 or FP64 [rows, classes] → the class with the largest score, of equal ones the first; confidence is that score. */
export const argmax = defineStep({
  name: "argmax",
  phase: "decide",
  takes: ["tensor"],
  params,
  check: (type, { labels: named }) => {
    classesOf(type, named);
    return { kind: "decision" };
  },
  build:
    ({ classes }, { labels: named, activation: by }) =>
    (value) => {
      const rows = rowsOf(value, by);
      const best = rows.map((scores) =>
        scores.reduce((first, score, at) => (score > (scores[first] ?? 0) ? at : first), 0),
      );
      return {
        kind: "decision",
        labels: best.map((at) => labelOf(named ?? classes, at)),
        confidence: Float32Array.from(best, (at, row) => rows[row]?.[at] ?? 0),
      };
    },
});
