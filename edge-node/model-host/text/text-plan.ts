import { randomInt } from "node:crypto";
import { SkerryError } from "../../../shared/base/errors.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import { textQuestion, type TextQuestion, toolsOf } from "../../../shared/openai/requests.ts";
import type { ChatPrompt } from "./prompt.ts";
import type { Sampling, TextRuntime } from "./text-runtime.ts";

/** Tokens of a completion that says nothing of them, as at OpenAI. */
const COMPLETION_TOKENS = 16;
/** Bytes of a token at most, on the average of a text as people write it. */
const USUAL_TOKEN_BYTES = 8;
/** Characters of a long text whose tokens are counted first, and how many more those are at most because the text is cut there. */
const PIECE = { length: 16_384, addedTokens: 64 } as const;

/** What a request makes the runtime do: checked, and not begun. */
export interface TextPlan {
  readonly question: TextQuestion;
  /** One for each choice, in their order. */
  readonly choices: readonly { readonly prompt: readonly number[]; readonly sampling: Sampling }[];
  /** Of all prompts, each counted once. */
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly stops: readonly string[];
  readonly streams: boolean;
  readonly includesUsage: boolean;
  /** The answer may have calls of tools in it. */
  readonly mayCall: boolean;
}

/** Throws `SkerryError` INVALID_REQUEST for what is no question to a text model. */
export function parseQuestion(body: Uint8Array): TextQuestion {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch {
    value = undefined;
  }
  const parsed = textQuestion.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid("this is a text model and takes no tensors; ask /v1/chat/completions or /v1/completions");
}

/** Throws `SkerryError` INVALID_REQUEST, and CONTEXT_TOO_LONG with the numbers. */
export async function planText(question: TextQuestion, runtime: TextRuntime, chat: ChatPrompt): Promise<TextPlan> {
  const { request } = question;
  const prompts = promptsOf(question, runtime, chat);
  const maxTokens = limitOf(question, prompts, runtime.contextTokens);
  const format = question.openai === "chat" ? await runtime.formatOf(question.request.response_format) : undefined;
  const seed = request.seed ?? randomInt(2 ** 32);
  const count = request.n ?? 1;
  const choices = prompts.flatMap((prompt) =>
    Array.from({ length: count }, (_, at) => ({
      prompt,
      sampling: {
        temperature: request.temperature ?? 1,
        topP: request.top_p ?? 1,
        topK: request.top_k ?? 0,
        minP: request.min_p ?? 0,
        seed: (seed + at) >>> 0,
        frequencyPenalty: request.frequency_penalty ?? 0,
        presencePenalty: request.presence_penalty ?? 0,
        format,
        logprobs: logprobsOf(question),
        ...(question.doubt && { measuredTokens: question.doubt.tokens }),
      },
    })),
  );
  const { stop } = request;
  return {
    question,
    choices,
    promptTokens: prompts.reduce((sum, { length }) => sum + length, 0),
    maxTokens,
    stops: stop == null ? [] : typeof stop === "string" ? [stop] : stop,
    streams: request.stream === true,
    includesUsage: request.stream_options?.include_usage === true,
    mayCall: question.openai === "chat" && toolsOf(question.request).length > 0,
  };
}

function logprobsOf(question: TextQuestion): number | undefined {
  if (question.openai === "completion") return question.request.logprobs ?? undefined;
  return question.request.logprobs === true ? (question.request.top_logprobs ?? 0) : undefined;
}

function promptsOf(question: TextQuestion, runtime: TextRuntime, chat: ChatPrompt): readonly (readonly number[])[] {
  const { model } = question.request;
  if (question.openai === "chat") {
    const text = chat.text(question.request.messages, toolsOf(question.request));
    const tokens = tokensOf(text, runtime, { hasSpecials: true, model });
    if (tokens.length === 0) throw invalid("these messages make an empty prompt");
    return [tokens];
  }
  const { prompt } = question.request;
  return (typeof prompt === "string" ? [prompt] : prompt).map((text) => {
    const tokens = tokensOf(text, runtime, { hasSpecials: false, model });
    if (tokens.length === 0) throw invalid("`prompt` is empty; this model needs a text to go on from");
    return tokens;
  });
}

/**
 * Turning a text into tokens holds up every answer of the model meanwhile, and takes memory for each character. So a text that cannot
 * fit is refused before: by its bytes, or by the tokens of its first pieces where it has more bytes than texts of this context.
 */
function tokensOf(
  text: string,
  runtime: TextRuntime,
  { hasSpecials, model }: { readonly hasSpecials: boolean; readonly model: string },
): readonly number[] {
  const { contextTokens, longestTokenBytes } = runtime;
  const bytes = Buffer.byteLength(text);
  const mostBytes = contextTokens * longestTokenBytes;
  if (bytes > mostBytes) throw tooLong(model, contextTokens, `The prompt has ${bytes} bytes; at most ${mostBytes} fit`);
  const mayBeTooLong = bytes > contextTokens * USUAL_TOKEN_BYTES;
  let counted = 0;
  for (let at = 0; mayBeTooLong && at < text.length; at += PIECE.length) {
    const end = at + PIECE.length;
    counted += runtime.tokenize(text.slice(at, end), { hasSpecials }).length - PIECE.addedTokens;
    if (counted > contextTokens)
      throw tooLong(model, contextTokens, `The first ${end} characters of the prompt have more`);
  }
  return runtime.tokenize(text, { hasSpecials });
}

function limitOf(question: TextQuestion, prompts: readonly (readonly number[])[], contextTokens: number): number {
  const { request } = question;
  const asked =
    question.openai === "chat"
      ? (question.request.max_completion_tokens ?? question.request.max_tokens)
      : (question.request.max_tokens ?? COMPLETION_TOKENS);
  const longest = Math.max(...prompts.map(({ length }) => length));
  const left = contextTokens - longest;
  if (left < (asked ?? 1)) {
    const wanted = asked == null ? "" : ` and ${asked} may follow`;
    throw tooLong(request.model, contextTokens, `The prompt has ${longest}${wanted}`);
  }
  return asked ?? left;
}

/** The first sentence is OpenAI's: its clients look for it. */
function tooLong(model: string, contextTokens: number, why: string): SkerryError {
  return new SkerryError(
    "CONTEXT_TOO_LONG",
    `This model's maximum context length is ${contextTokens} tokens. ${why} (${model.slice(0, 63)})`,
  );
}
