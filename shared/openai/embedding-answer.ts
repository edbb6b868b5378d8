import { z } from "zod";
import { shortestDoubles } from "../inference/tensors/shortest-float.ts";

/** The answer of `/v1/embeddings`. `embedding`: numbers, or little-endian floats in base64. */
export const embeddingList = z
  .object({
    object: z.literal("list"),
    data: z.array(
      z.object({
        object: z.literal("embedding"),
        index: z.number().int(),
        embedding: z.union([z.array(z.number()), z.base64()]),
      }),
    ),
    model: z.string(),
    usage: z.object({ prompt_tokens: z.number().int(), total_tokens: z.number().int() }),
  })
  .meta({ id: "OpenAiEmbeddings" });

export type EncodingFormat = "float" | "base64";

interface Facts {
  /** As the request named it. */
  readonly model: string;
  readonly format: EncodingFormat;
  readonly promptTokens: number;
}

const encoder = new TextEncoder();

/** The whole answer, one embedding for each input in their order. Numbers have the fewest digits that give the same float again. */
export function embeddingAnswer(
  embeddings: readonly Float32Array[],
  { model, format, promptTokens }: Facts,
): Uint8Array {
  const data = embeddings.map((each, index) => {
    const numbers = format === "base64" ? `"${base64(each)}"` : `[${shortestDoubles(each).join(",")}]`;
    return `{"object":"embedding","index":${index},"embedding":${numbers}}`;
  });
  const usage = `{"prompt_tokens":${promptTokens},"total_tokens":${promptTokens}}`;
  return encoder.encode(
    `{"object":"list","data":[${data.join(",")}],"model":${JSON.stringify(model)},"usage":${usage}}`,
  );
}

/** Most bytes of such an answer: each number has at most 23 characters and a comma. */
export const answerBytesAtMost = (
  inputs: number,
  dimensions: number,
  { format, model }: Pick<Facts, "format" | "model">,
): number => inputs * (64 + dimensions * (format === "base64" ? 6 : 24)) + 256 + 6 * model.length;

/** Little-endian floats, as OpenAI's clients decode them and every machine that nodes run on has them. */
const base64 = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("base64");
