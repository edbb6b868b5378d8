import { z } from "zod";
import { defineStep, StepFault } from "../../step.ts";
import { classesOf, rowsOf } from "./scores.ts";

const label = z.string().min(1).max(256);
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
    /** The column whose number counts. */
    column: z.number().int().min(0).max(65_535).default(0),
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
  check: (type, { column }) => {
    const columns = classesOf(type, undefined);
    if (columns !== -1 && column >= columns)
      throw new StepFault(`column is ${column}, and there are ${columns} columns`);
    return { kind: "decision" };
  },
  build:
    (_type, { bands, above, column }) =>
    (value) => {
      const numbers = rowsOf(value, "none").map((row) => row[column] ?? Number.NaN);
      return {
        kind: "decision",
        labels: numbers.map((number, row) => {
          if (Number.isNaN(number)) throw new StepFault(`row ${row}: the model put out no number`);
          return bands.find(({ below }) => number < below)?.label ?? above;
        }),
        confidence: new Float32Array(numbers.length).fill(1),
      };
    },
});
