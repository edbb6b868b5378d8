import { randomInt } from "node:crypto";
import { SkerryError } from "../../../shared/base/errors.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import { textQuestion, type TextQuestion, toolsOf } from "../../../shared/openai/requests.ts";
import type { ChatPrompt } from "./prompt.ts";
import type { Sampling, TextRuntime } from "./text-runtime.ts";

/** Tokens of a completion that says nothing of them, as at OpenAI. */
const COMPLETION_TOKENS = 16;

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
    refuseHuge(text, runtime, model);
    const tokens = runtime.tokenize(text, { hasSpecials: true });
    if (tokens.length === 0) throw invalid("these messages make an empty prompt");
    return [tokens];
  }
  const { prompt } = question.request;
  return (typeof prompt === "string" ? [prompt] : prompt).map((text) => {
    refuseHuge(text, runtime, model);
    const tokens = runtime.tokenize(text, { hasSpecials: false });
    if (tokens.length === 0) throw invalid("`prompt` is empty; this model needs a text to go on from");
    return tokens;
  });
}

/** Turning a text into tokens holds up every answer of the model meanwhile, so one that cannot fit is refused before. */
function refuseHuge(text: string, { contextTokens, longestTokenBytes }: TextRuntime, model: string): void {
  const bytes = Buffer.byteLength(text);
  const mostBytes = contextTokens * longestTokenBytes;
  if (bytes > mostBytes) throw tooLong(model, contextTokens, `The prompt has ${bytes} bytes; at most ${mostBytes} fit`);
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
