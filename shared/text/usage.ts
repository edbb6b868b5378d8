import { z } from "zod";

const count = z.number().int().min(0).max(0xffff_ffff);

/** The tokens of one request, as they are reported and billed. */
export const usage = z.object({
  promptTokens: count,
  outputTokens: count,
  /** Tokens of the prompt that were in the cache. */
  cachedTokens: count,
});
export type Usage = z.infer<typeof usage>;

/** What is said at the end of an answer in text, whole or not. */
export const answerEnd = z.object({
  /** As far as it came. */
  usage: usage.optional(),
  /** Of one that is not whole: why, for a person. */
  detail: z.string().max(500).optional(),
});
export type AnswerEnd = z.infer<typeof answerEnd>;
