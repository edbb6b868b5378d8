import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { activation, classesOf, labelOf, labels, rowsOf } from "./scores.ts";

const MAX_K = 100;
const params = z.strictObject({
  k: z.number().int().min(1).max(MAX_K),
  labels: labels.optional(),
  activation,
});

/** FP32 or FP64 [rows, classes] → the k classes with the largest scores as a JSON array, largest first; confidence is that of the first. */
export const topK = defineStep({
  name: "top-k",
  phase: "decide",
  takes: ["tensor"],
  params,
  check: (type, { k, labels: named }) => {
    const classes = classesOf(type, named);
    if (classes !== -1 && k > classes) throw new StepFault(`k is ${k}, and there are ${classes} classes`);
    return { kind: "decision" };
  },
  build:
    ({ classes }, { k, labels: named, activation: by }) =>
    (value) => {
      const rows = rowsOf(value, by);
      const best = rows.map((scores) =>
        [...scores.keys()].toSorted((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0)).slice(0, k),
      );
      return {
        kind: "decision",
        labels: best.map((found) => JSON.stringify(found.map((at) => labelOf(named ?? classes, at)))),
        confidence: Float32Array.from(best, ([first = 0], row) => rows[row]?.[first] ?? 0),
      };
    },
});
