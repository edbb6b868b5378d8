import { z } from "zod";

const path = z.string().max(255);
const token = z.number().int().min(0).max(16_777_216);

/**
 * How a graph writes text, one token for each run: a decoder in ONNX whose cache is among its inputs and outputs. It puts out
 * the keys and values of the new tokens alone, and the logits of the last one.
 */
export const decoderModel = z.object({
  /** Paths in the bundle: of `tokenizer.json`, of the settings beside it, and of a chat template that is a file of its own. */
  tokenizer: path,
  tokenizerSettings: path.optional(),
  chatTemplate: path.optional(),
  /** Inputs beside tokens, mask and cache. */
  inputs: z.array(z.enum(["position_ids", "num_logits_to_keep"])).max(2),
  layers: z.number().int().min(1).max(1_024),
  /** Heads of keys and values, and numbers of a key. */
  heads: z.number().int().min(1).max(1_024),
  headSize: z.number().int().min(1).max(4_096),
  cacheType: z.enum(["FP32", "FP16"]),
  /** Tokens that end a text. */
  ends: z.array(token).max(64),
  /** Bytes of the longest token. */
  longestTokenBytes: z.number().int().min(1).max(65_535),
});
export type DecoderModel = z.infer<typeof decoderModel>;

const SIDES = ["key", "value"] as const;

/** Names of the graph's inputs that hold the cache, layer by layer, keys before values. */
export const pastInputs = (layers: number): readonly string[] => named("past_key_values", layers);
/** Names of the outputs in which exporters put the whole cache, in the same order. */
export const presentOutputs = (layers: number): readonly string[] => named("present", layers);
/**
 * Name of the output with the keys and values of the new tokens, which takes their place: those of all layers one after the
 * other, in the same order, as `[2 × layers × texts, heads, tokens, numbers]`.
 */
export const NEW_KEYS_AND_VALUES = "new_key_values";
/** Name of the output with the logits of each row's last token. */
export const LAST_LOGITS = "last_logits";

const named = (prefix: string, layers: number): readonly string[] =>
  Array.from({ length: layers }, (_, layer) => SIDES.map((side) => `${prefix}.${layer}.${side}`)).flat();
