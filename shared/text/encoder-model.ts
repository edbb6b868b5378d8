import { z } from "zod";

/** How the vectors of a text's tokens become the one of the text, in the words of sentence-transformers. */
export const POOLINGS = ["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"] as const;
export type Pooling = (typeof POOLINGS)[number];

const path = z.string().max(255);
const count = z.number().int().min(1).max(16_777_216);

/** What is known of a model that makes embeddings, from its graph and the descriptions beside it, without loading it. */
export const encoderModel = z.object({
  /** The family of its graph, e.g. `bert`. */
  architecture: z.string().max(64),
  /** Path in the bundle of `tokenizer.json`, and of the settings beside it. */
  tokenizer: path,
  tokenizerSettings: path.optional(),
  /** Inputs of the graph beside `input_ids`. */
  inputs: z.array(z.enum(["attention_mask", "token_type_ids"])).max(2),
  output: z.string().max(256),
  /** `sentence`: the graph puts out one vector for each text, and pools itself. */
  pooling: z.enum([...POOLINGS, "sentence"]),
  /** Embeddings have the length 1. */
  normalizes: z.boolean(),
  /** Numbers of an embedding. */
  dimensions: count,
  /**
   * Shorter ones that a request may ask for: the model was trained so that the first numbers are an embedding, too. `any`: each
   * length; absent: none.
   */
  shorter: z.union([z.literal("any"), z.array(count).max(64)]).optional(),
  /** Of one text, those that the tokenizer adds included. */
  maxTokens: count,
  /** Tokens are numbers below it. */
  vocabulary: count,
  /** Bytes of the longest token. */
  longestTokenBytes: z.number().int().min(1).max(65_535),
  /** Texts are made lower case before they are split. */
  lowercases: z.boolean(),
  /** What is put before each text. */
  prompt: z.string().max(4_096).optional(),
  /** Heads of attention, and width of a layer, for what a run takes; absent when no description says so. */
  heads: count.optional(),
  width: count.optional(),
});
export type EncoderModel = z.infer<typeof encoderModel>;

/** Texts, and tokens with padding, that share a run at most. One text alone may be longer. */
export const RUN_TEXTS = 32;
export const RUN_TOKENS = 2_048;

const MIB = 1_048_576;
/** Equal figures for nearly equal models make the placements easier to read. */
const STEP_MIB = 64;
/** Node and the runtime before a model is loaded, the tokenizer's tables, and room to run. */
const BASELINE_MIB = 320;
/** Weights once as loaded and once for what the graph optimiser adds. */
const COPIES_OF_FILES = 2;
const BYTES_OF_FLOAT = 4;
/** Buffers of a layer that are alive at once, in widths: the inner layer has four, and its input and output. */
const LIVE_WIDTHS = 10;
/** Scores before and after the softmax. */
const LIVE_SCORES = 2;
const USUAL_HEADS = 12;
const USUAL_WIDTH = 1_024;

/** Memory of its host, in MiB. `fileBytes`: of the whole bundle. */
export function encoderMemMiB(
  { maxTokens, heads = USUAL_HEADS, width = USUAL_WIDTH }: Pick<EncoderModel, "maxTokens" | "heads" | "width">,
  fileBytes: number,
): number {
  const tokens = Math.max(RUN_TOKENS, maxTokens);
  const runBytes = tokens * BYTES_OF_FLOAT * (LIVE_WIDTHS * width + LIVE_SCORES * heads * maxTokens);
  const wanted = (COPIES_OF_FILES * fileBytes + runBytes) / MIB + BASELINE_MIB;
  return Math.ceil(wanted / STEP_MIB) * STEP_MIB;
}
