import { messageOf } from "../../../shared/base/errors.ts";
import type { EncoderModel } from "../../../shared/text/encoder-model.ts";
import type { Embed } from "./encoder.ts";

/**
 * Largest difference that is called equal, as a part of an embedding's largest number. Kernels add in another order for more rows: below
 * 1e-5. Quantisation on the fly, whose scale is that of the whole run, is off by 1e-2.
 */
const TOLERANCE = 1e-4;
/** Tokens of the texts that are tried together. */
const LENGTHS = [3, 17, 9, 5] as const;
const ROUNDS = 3;

/** Whether two embeddings are the same but for rounding. */
export function isSame(a: Float32Array, b: Float32Array): boolean {
  let largest = 0;
  for (const value of a) largest = Math.max(largest, Math.abs(value));
  return (
    a.length === b.length && a.every((value, at) => Math.abs(value - (b[at] ?? Number.NaN)) <= TOLERANCE * largest)
  );
}

/**
 * Why texts may not share a run; undefined when they may: made-up ones of several lengths, padded to the longest, get the
 * embeddings that they get alone. Never throws.
 */
export async function whyAlone(embed: Embed, encoder: EncoderModel): Promise<string | undefined> {
  if (!encoder.inputs.includes("attention_mask")) return "the graph has no attention_mask: padding would count";
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      const texts = LENGTHS.map((length, at) => madeUp(length, encoder, LENGTHS.length * round + at + 1));
      const together = await embed(texts);
      for (const [at, text] of texts.entries()) {
        const [alone] = await embed([text]);
        const shared = together[at];
        if (alone === undefined || shared === undefined || !isSame(alone, shared))
          return "an embedding depends on the other texts of its run, as with dynamic quantisation: each text runs alone";
      }
    }
    return undefined;
  } catch (error) {
    return `a trial failed: ${messageOf(error).replaceAll(/\s+/g, " ").slice(0, 200)}`;
  }
}

/** Tokens from all over the vocabulary, the same ones in every start. */
export function madeUp(
  length: number,
  { vocabulary, maxTokens }: Pick<EncoderModel, "vocabulary" | "maxTokens">,
  seed: number,
): readonly number[] {
  let state = seed;
  return Array.from({ length: Math.min(length, maxTokens) }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabulary);
  });
}
