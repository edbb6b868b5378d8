import { z } from "zod";
import { decoderModel } from "./decoder-model.ts";

const count = z.number().int().min(0);

/** What is known of a text model from its file, without loading it. */
export const textModel = z.object({
  /** The family that the runtime implements, e.g. `llama`. */
  architecture: z.string().max(64),
  /** What its author calls it; absent when the file does not say. */
  title: z.string().max(200).optional(),
  /** Numbers in all weights together; absent when the file does not say. */
  parameters: count.optional(),
  /** How most of the weights are stored, e.g. `Q4_K`. */
  quantization: z.string().max(16),
  /** Tokens of prompt and answer together that it was trained for. */
  contextTokens: z.number().int().min(1),
  vocabulary: z.number().int().min(1),
  /** Memory of the cache for each token of each request that is under way. */
  cacheBytesPerToken: count,
  /** Whether the file says how a conversation is written. Without that it only completes text. */
  hasChatTemplate: z.boolean(),
  /** Of an ONNX graph: how it is used. Absent of a GGUF file, whose runtime knows that. */
  decoder: decoderModel.optional(),
});
export type TextModel = z.infer<typeof textModel>;

/** How much a host of a text model takes up at once. */
export interface TextCapacity {
  /** Tokens of prompt and answer of one request. */
  readonly contextTokens: number;
  /** Requests that generate at once. */
  readonly sequences: number;
}

const MIB = 1_048_576;
/** Equal figures for nearly equal models make the placements easier to read. */
const STEP_MIB = 64;
/** Node, the runtime and what it computes with, before cache and logits. */
const BASELINE_MIB = 256;
/** Tokens of prompts that the host takes into one step. A caller who goes away frees its sequence after so many at most. */
export const STEP_TOKENS = 128;
const BYTES_OF_LOGIT = 4;
/** A GGUF file is mapped once. Of a graph the runtime has the file's weights and, while it loads, those it lays out anew. */
const COPIES_OF_GGUF = 1.05;
const COPIES_OF_GRAPH = 2;
/** The runtime lays its cache out in multiples of this. */
const CONTEXT_STEP = 256;

const DEFAULT_CAPACITY: TextCapacity = { contextTokens: 4_096, sequences: 4 };
/** With less memory: fewer requests at once before the context of each becomes shorter than this. */
const CHOICES = [
  { sequences: 4, leastContext: 2_048 },
  { sequences: 2, leastContext: 1_024 },
  { sequences: 1, leastContext: CONTEXT_STEP },
] as const;

/** A graph's rows cost little beside each other: with more memory more of them, before longer ones. */
const ROWS_OF_GRAPH = { sequences: 8, leastContext: DEFAULT_CAPACITY.contextTokens } as const;

/** What a host gets unless its deployment says how much memory it may have. */
export const defaultCapacity = ({ contextTokens }: Pick<TextModel, "contextTokens">): TextCapacity => ({
  ...DEFAULT_CAPACITY,
  contextTokens: Math.min(contextTokens, DEFAULT_CAPACITY.contextTokens),
});

/** Weights and what the host needs whatever its capacity, in MiB. */
const fixedMiB = ({ vocabulary, decoder }: Pick<TextModel, "vocabulary" | "decoder">, fileBytes: number): number =>
  ((decoder ? COPIES_OF_GRAPH : COPIES_OF_GGUF) * fileBytes + STEP_TOKENS * vocabulary * BYTES_OF_LOGIT) / MIB +
  BASELINE_MIB;

/** Memory of a host with the default capacity, in MiB. `fileBytes`: of the whole bundle. */
export function textMemMiB(model: TextModel, fileBytes: number): number {
  const { contextTokens, sequences } = defaultCapacity(model);
  const cacheMiB = (padded(contextTokens) * sequences * model.cacheBytesPerToken) / MIB;
  return Math.ceil((fixedMiB(model, fileBytes) + cacheMiB) / STEP_MIB) * STEP_MIB;
}

/**
 * What fits into `memMiB` (0: no limit): requests at once first, then the context of each, up to what the model was
 * trained for. Undefined when not even one request of the shortest context fits.
 */
export function textCapacity(model: TextModel, fileBytes: number, memMiB: number): TextCapacity | undefined {
  const { contextTokens, cacheBytesPerToken } = model;
  if (memMiB === 0) return defaultCapacity(model);
  const cacheBytes = (memMiB - fixedMiB(model, fileBytes)) * MIB;
  if (cacheBytes <= 0) return undefined;
  if (cacheBytesPerToken === 0) return defaultCapacity(model);
  for (const { sequences, leastContext } of model.decoder ? [ROWS_OF_GRAPH, ...CHOICES] : CHOICES) {
    const fits = Math.floor(cacheBytes / (sequences * cacheBytesPerToken) / CONTEXT_STEP) * CONTEXT_STEP;
    if (fits >= Math.min(leastContext, padded(contextTokens)))
      return { sequences, contextTokens: Math.min(fits, contextTokens) };
  }
  return undefined;
}

const padded = (tokens: number): number => Math.ceil(tokens / CONTEXT_STEP) * CONTEXT_STEP;
