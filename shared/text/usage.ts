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
