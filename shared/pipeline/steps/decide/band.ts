import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { column, label, needColumn, scoresOf } from "./scores.ts";

const MAX_BANDS = 64;
const params = z
  .strictObject({
    /** Rising: a number below the first `below` has its label, and so on. */
    bands: z
      .array(z.strictObject({ below: z.number(), label }))
      .min(1)
      .max(MAX_BANDS),
    /** Of a number that is below none. */
    above: label,
    column,
  })
  .check(({ value, issues }) => {
    if (value.bands.some(({ below }, at) => at > 0 && below <= (value.bands[at - 1]?.below ?? Infinity)))
      issues.push({
        code: "custom",
        message: "each band begins where the one before it ends",
        path: ["bands"],
        input: value,
      });
  });

/** FP32 or FP64 [rows] or [rows, columns] → the label of the band in which a number lies. Confidence is 1: no model said how sure it is. */
export const band = defineStep({
  name: "band",
  phase: "decide",
  takes: ["tensor"],
  params,
  check: (type, given) => {
    needColumn(type, given.column);
    return { kind: "decision" };
  },
  build:
    (_type, { bands, above, column: counts }) =>
    (value) => {
      const numbers = scoresOf(value, counts);
      return {
        kind: "decision",
        labels: Array.from(numbers, (number, row) => {
          if (Number.isNaN(number)) throw new StepFault(`row ${row}: the model put out no number`);
          return bands.find(({ below }) => number < below)?.label ?? above;
        }),
        confidence: new Float32Array(numbers.length).fill(1),
      };
    },
});
