import { z } from "zod";

/** The request of `/v1/embeddings`. Its bounds are OpenAI's. */

const MAX_INPUTS = 2_048;
/** Of one text, in UTF-16 units: beyond what any encoder takes. */
const MAX_CHARACTERS = 1_048_576;

const text = z.string().min(1, "must not be empty").max(MAX_CHARACTERS);
const tokens = z.array(z.number().int().min(0).max(0xffff_ffff)).min(1);

export const embeddingRequest = z.strictObject({
  model: z.string().min(1).max(192).describe("A model, or one of its versions: NAME, NAME:ALIAS or NAME:NUMBER."),
  input: z
    .union([text, z.array(text).min(1).max(MAX_INPUTS), tokens, z.array(tokens).min(1).max(MAX_INPUTS)])
    .describe("A text or several; or tokens of the model's own tokenizer, to which nothing is added."),
  encoding_format: z.enum(["float", "base64"]).nullish().describe("Default: `float`."),
  dimensions: z.number().int().min(1).max(16_777_216).nullish().describe("Of models that were trained for it."),
  user: z.string().max(512).nullish(),
});
export type EmbeddingRequest = z.infer<typeof embeddingRequest>;

/** What a model host of an encoder is asked, in the place of tensors. */
export const embeddingQuestion = z.object({ openai: z.literal("embedding"), request: embeddingRequest });
