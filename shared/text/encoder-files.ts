import { z } from "zod";
import { POOLINGS } from "./encoder-model.ts";

/** The files that describe an encoder, as sentence-transformers and transformers write them: the fields that count here. */

/** sentence-transformers' list of what a text passes. */
export const MODULES_FILE = "modules.json";
export const TOKENIZER_FILE = "tokenizer.json";
export const TOKENIZER_SETTINGS_FILE = "tokenizer_config.json";
export const CONFIG_FILE = "config.json";
/** Settings of the module that has the graph; the names are those of its releases. */
export const TRANSFORMER_FILES: readonly string[] = [
  "sentence_bert_config.json",
  "sentence_roberta_config.json",
  "sentence_distilbert_config.json",
  "sentence_camembert_config.json",
  "sentence_albert_config.json",
  "sentence_xlm-roberta_config.json",
  "sentence_xlnet_config.json",
];
export const PROMPTS_FILE = "config_sentence_transformers.json";

/** Of a tokenizer's file, and of each other description, in bytes. The largest vocabularies have 20 MB. */
export const MAX_TOKENIZER_BYTES = 40 * 1_048_576;
export const MAX_DESCRIPTION_BYTES = 1_048_576;

const size = z.number().int().min(1).max(1_048_576);
const flag = z.boolean().nullish();

export const modulesFile = z
  .array(z.looseObject({ path: z.string().max(255).default(""), type: z.string().max(255) }))
  .min(1)
  .max(16);

const mode = z.enum(POOLINGS);
export const poolingFile = z.looseObject({
  pooling_mode: z.union([mode, z.array(mode).min(1).max(8)]).nullish(),
  pooling_mode_cls_token: flag,
  pooling_mode_max_tokens: flag,
  pooling_mode_mean_tokens: flag,
  pooling_mode_mean_sqrt_len_tokens: flag,
  pooling_mode_weightedmean_tokens: flag,
  pooling_mode_lasttoken: flag,
  include_prompt: flag,
});

export const transformerFile = z.looseObject({ max_seq_length: size.nullish(), do_lower_case: flag });

export const promptsFile = z.looseObject({
  prompts: z.record(z.string(), z.string().nullable()).nullish(),
  default_prompt_name: z.string().nullish(),
});

export const configFile = z.looseObject({
  model_type: z.string().max(64).nullish(),
  max_position_embeddings: z.number().int().max(16_777_216).nullish(),
  pad_token_id: z.number().int().nullish(),
  vocab_size: z.number().int().min(1).max(16_777_216).nullish(),
  hidden_size: size.nullish(),
  num_attention_heads: size.nullish(),
  /** Shorter embeddings that it was trained for; `is_matryoshka`: every length. */
  matryoshka_dimensions: z.array(size).min(1).max(64).nullish(),
  is_matryoshka: flag,
});

/** Some write 10³⁰ for "no limit". */
export const tokenizerSettingsFile = z.looseObject({ model_max_length: z.number().positive().nullish() });

export const tokenizerFile = z.looseObject({
  model: z.looseObject({
    type: z.string().max(64).nullish(),
    vocab: z.union([
      z.record(z.string(), z.number().int().min(0)),
      z.array(z.tuple([z.string(), z.number()]).rest(z.unknown())),
    ]),
  }),
  added_tokens: z.array(z.looseObject({ id: z.number().int().min(0), content: z.string() })).nullish(),
});
export type TokenizerFile = z.infer<typeof tokenizerFile>;
