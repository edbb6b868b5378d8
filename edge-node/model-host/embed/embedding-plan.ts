import { SkerryError } from "../../../shared/base/errors.ts";
import { invalidFields } from "../../../shared/base/invalid-fields.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import { answerBytesAtMost, type EncodingFormat } from "../../../shared/openai/embedding-answer.ts";
import { embeddingQuestion, type EmbeddingRequest } from "../../../shared/openai/embedding-request.ts";
import { MAX_ANSWER_BYTES } from "../../../shared/protocol/limits.ts";
import type { EncoderModel } from "../../../shared/text/encoder-model.ts";
import type { TextTokenizer } from "../../../shared/text/text-tokenizer.ts";

/** A request that was checked, and of which nothing has run. */
export interface EmbeddingPlan {
  /** As the request named it. */
  readonly model: string;
  /** In tokens. */
  readonly texts: readonly (readonly number[])[];
  readonly format: EncodingFormat;
  /** Numbers of each embedding; undefined: all. */
  readonly dimensions: number | undefined;
  readonly promptTokens: number;
}

interface Splitter {
  readonly encoder: EncoderModel;
  readonly tokenizer: TextTokenizer;
}

/** `giveWay` is called between two texts. Throws what it throws, and `SkerryError` INVALID_REQUEST, and CONTEXT_TOO_LONG with the numbers. */
export async function planEmbeddings(
  body: Uint8Array,
  { encoder, tokenizer, giveWay }: Splitter & { readonly giveWay: () => Promise<void> },
): Promise<EmbeddingPlan> {
  const { model, input, encoding_format: format, dimensions } = requestOf(body);
  checkDimensions(dimensions, encoder);
  const inputs = inputsOf(input);
  const kind = { model, format: format ?? "float" } as const;
  const answerBytes = answerBytesAtMost(inputs.length, dimensions ?? encoder.dimensions, kind);
  if (answerBytes > MAX_ANSWER_BYTES)
    throw fault(
      "input",
      `${inputs.length} embeddings may take ${answerBytes} bytes; at most ${MAX_ANSWER_BYTES} are sent`,
    );
  const texts: (readonly number[])[] = [];
  for (const [at, each] of inputs.entries()) {
    texts.push(tokensOf(each, at, { encoder, tokenizer, model }));
    await giveWay();
  }
  return {
    ...kind,
    texts,
    dimensions: dimensions ?? undefined,
    promptTokens: texts.reduce((sum, { length }) => sum + length, 0),
  };
}

function requestOf(body: Uint8Array): EmbeddingRequest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch {
    value = undefined;
  }
  const parsed = embeddingQuestion.safeParse(value);
  if (parsed.success) return parsed.data.request;
  throw invalid("this model makes embeddings and takes no tensors; ask /v1/embeddings");
}

type Input = string | readonly number[];

function inputsOf(input: EmbeddingRequest["input"]): readonly Input[] {
  if (typeof input === "string") return [input];
  const texts: string[] = [];
  const numbers: number[] = [];
  const lists: number[][] = [];
  for (const each of input) {
    if (typeof each === "string") texts.push(each);
    else if (typeof each === "number") numbers.push(each);
    else lists.push(each);
  }
  if (numbers.length > 0) return [numbers];
  return texts.length > 0 ? texts : lists;
}

function checkDimensions(asked: number | null | undefined, { dimensions, shorter }: EncoderModel): void {
  if (asked == null || asked === dimensions) return;
  if (shorter === undefined)
    throw fault("dimensions", `must be ${dimensions}: this model was not trained for shorter embeddings`);
  if (asked > dimensions) throw fault("dimensions", `must be at most ${dimensions}`);
  if (shorter !== "any" && !shorter.includes(asked))
    throw fault("dimensions", `must be ${[...new Set([...shorter, dimensions])].join(", ")}`);
}

function tokensOf(
  input: Input,
  at: number,
  { encoder, tokenizer, model }: Splitter & { readonly model: string },
): readonly number[] {
  const { maxTokens, vocabulary, longestTokenBytes, prompt = "", lowercases } = encoder;
  const tooLong = (has: string): SkerryError =>
    new SkerryError(
      "CONTEXT_TOO_LONG",
      `This model's maximum context length is ${maxTokens} tokens. input[${at}] has ${has} (${model.slice(0, 63)})`,
    );
  if (typeof input !== "string") {
    const unknown = input.find((token) => token >= vocabulary);
    if (unknown !== undefined)
      throw fault(
        "input",
        `has the token ${unknown} at ${at}; this model's tokens are below ${vocabulary}: send texts`,
      );
    if (input.length > maxTokens) throw tooLong(String(input.length));
    return input;
  }
  // To split a text holds up all others of the model, so one that cannot fit is refused before.
  const bytes = Buffer.byteLength(input);
  const mostBytes = maxTokens * longestTokenBytes;
  if (bytes > mostBytes) throw tooLong(`${bytes} bytes, and at most ${mostBytes} fit`);
  const text = prompt + input;
  const tokens = tokenizer.tokensOf(lowercases ? text.toLowerCase() : text);
  if (tokens.length > maxTokens) throw tooLong(String(tokens.length));
  if (tokens.length === 0) throw fault("input", `has nothing at ${at} that is a token of this model`);
  return tokens;
}

const fault = (field: string, message: string): SkerryError => invalidFields("body", [{ field, message }]);
