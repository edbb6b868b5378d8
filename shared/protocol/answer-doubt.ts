import { z } from "zod";

/** What is measured of an answer's scores. */
export const doubtMeasureName = z.enum(["margin", "confidence", "entropy", "energy"]);
export type DoubtMeasureName = z.infer<typeof doubtMeasureName>;

/** When a model of tensors is in doubt about its answer: a cascade asks its large model then. */
export const answerDoubt = z.strictObject({
  measure: doubtMeasureName.describe(
    "`margin`: the largest score less the second one; `confidence`: the largest; `entropy`: of the scores, in nats; `energy`: −ln Σ eˢ of scores that are no probabilities.",
  ),
  threshold: z
    .number()
    .min(-1_000_000)
    .max(1_000_000)
    .describe("The answer is in doubt when its margin or confidence is below this, or its entropy or energy above it."),
  output: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe("The output that holds the scores. Default: the first of floats with rows."),
});
export type AnswerDoubt = z.infer<typeof answerDoubt>;

/** Small values mean doubt. */
export const meansDoubtBelow = (measure: DoubtMeasureName): boolean => measure === "margin" || measure === "confidence";
