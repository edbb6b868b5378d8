import { z } from "zod";

/** The files that describe a decoder, as transformers writes them: the fields that count here. */

export const GENERATION_FILE = "generation_config.json";
/** A chat template that is a file of its own. */
export const TEMPLATE_FILE = "chat_template.jinja";

const count = z.number().int().min(1).max(16_777_216).nullish();
const token = z.number().int().min(0).max(16_777_216);
const tokens = z.union([token, z.array(token).max(64)]).nullish();

export const generationFile = z.looseObject({ eos_token_id: tokens });

/** Families differ in what they call the same thing. */
export const decoderConfigFile = z.looseObject({
  model_type: z.string().max(64).nullish(),
  vocab_size: count,
  eos_token_id: tokens,
  num_hidden_layers: count,
  n_layer: count,
  num_layers: count,
  num_key_value_heads: count,
  max_position_embeddings: count,
  n_positions: count,
  n_ctx: count,
  max_seq_len: count,
  seq_length: count,
  sliding_window: z.number().int().nullish(),
  use_sliding_window: z.boolean().nullish(),
});
export type DecoderConfig = z.infer<typeof decoderConfigFile>;

const text = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
export const decoderTokenizerFile = z.looseObject({
  model_max_length: z.number().positive().nullish(),
  chat_template: z.union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))]).nullish(),
  bos_token: text,
  eos_token: text,
});
