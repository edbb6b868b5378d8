import { z } from "zod";
import type { ModelTarget } from "../inference/http/path.ts";
import type { FinishReason } from "./answers.ts";
import { completionRequest, type TextQuestion } from "./requests.ts";

/** The generate extension of the Open Inference Protocol: `/v2/models/{model}/generate` and `generate_stream`. */

const { temperature, top_p, top_k, min_p, frequency_penalty, presence_penalty, seed, stop, max_tokens } =
  completionRequest.shape;

export const generateRequest = z.strictObject({
  id: z.string().max(256).optional(),
  text_input: z.string(),
  parameters: z
    .strictObject({
      temperature,
      top_p,
      top_k,
      min_p,
      frequency_penalty,
      presence_penalty,
      seed,
      stop,
      max_tokens,
      details: z.boolean().optional().describe("Tell why the text ended."),
    })
    .optional(),
});
type GenerateRequest = z.infer<typeof generateRequest>;

/** One answer, or one event of a stream. */
export const generateResponse = z.object({
  id: z.string().optional(),
  model_name: z.string(),
  model_version: z.string(),
  text_output: z.string(),
  details: z.object({ finish_reason: z.enum(["stop", "length"]) }).optional(),
});

/** The same as a completion, with the form in which it is answered. */
export function questionOf(
  { id, text_input: prompt, parameters = {} }: GenerateRequest,
  { target, streams }: { readonly target: ModelTarget; readonly streams: boolean },
): Extract<TextQuestion, { openai: "completion" }> {
  const { details = false, ...sampling } = parameters;
  const model = target.version === undefined ? target.model : `${target.model}:${target.version}`;
  return {
    openai: "completion",
    request: { ...sampling, model, prompt, stream: streams },
    generate: { model: target.model, details, ...(id !== undefined && { id }) },
  };
}

interface Facts {
  readonly generate: NonNullable<Extract<TextQuestion, { openai: "completion" }>["generate"]>;
  readonly version: string;
}

/** An answer in the form of the extension, streamed or whole. */
export class GeneratedAnswer {
  readonly #head: string;
  readonly #details: boolean;

  constructor({ generate, version }: Facts) {
    const { id, model, details } = generate;
    this.#details = details;
    this.#head = JSON.stringify({ ...(id !== undefined && { id }), model_name: model, model_version: version }).slice(
      0,
      -1,
    );
  }

  begin(): string {
    return "";
  }

  text(_index: number, text: string): string {
    return `data: ${this.#document(text)}\n\n`;
  }

  finish(_index: number, reason: FinishReason): string {
    return this.#details ? `data: ${this.#document("", reason)}\n\n` : "";
  }

  /** The stream of the extension ends where its connection does. */
  end(): string {
    return "";
  }

  whole({ text, reason }: { readonly text: string; readonly reason: FinishReason }): string {
    return this.#document(text, reason);
  }

  #document(text: string, reason?: FinishReason): string {
    const details = this.#details && reason !== undefined ? `,"details":{"finish_reason":"${reason}"}` : "";
    return `${this.#head},"text_output":${JSON.stringify(text)}${details}}`;
  }
}
