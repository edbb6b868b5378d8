import { z } from "zod";
import { MAX_DOUBT_TOKENS } from "../api/v1/deployments/cascade-spec.ts";

/**
 * What a model host measures of an answer before it begins it: whether the mean log-probability of its first tokens is below
 * a threshold. The first choice is measured.
 */
export const doubtMeasure = z.strictObject({
  tokens: z.number().int().min(1).max(MAX_DOUBT_TOKENS),
  meanLogprob: z.number(),
});
export type DoubtMeasure = z.infer<typeof doubtMeasure>;

const encoder = new TextEncoder();

/** A question to a text model, as bytes, that asks for this measure too. The question itself is not read. */
export function withDoubt(question: readonly Uint8Array[], measure: DoubtMeasure): readonly Uint8Array[] {
  const [first = new Uint8Array(0), ...rest] = question;
  // A question is an object with at least one field.
  return [encoder.encode(`{"doubt":${JSON.stringify(measure)},`), first.subarray(1), ...rest];
}
