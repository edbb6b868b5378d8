import type { Usage } from "../text/usage.ts";
import { chatLogprobs, completionLogprobs, type TokenLogprob } from "./logprobs.ts";
import type { TextApi } from "./requests.ts";

/** Why a choice ended. */
export type FinishReason = "stop" | "length" | "tool_calls";

/** What a model asks to be called; `arguments` is JSON. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

interface Facts {
  readonly api: TextApi;
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  /** As the request named it. */
  readonly model: string;
}

const usageOf = ({ promptTokens, outputTokens, cachedTokens }: Usage) => ({
  prompt_tokens: promptTokens,
  completion_tokens: outputTokens,
  total_tokens: promptTokens + outputTokens,
  prompt_tokens_details: { cached_tokens: cachedTokens },
});

/** The events of a streamed answer, as text. The invariable part of each is written once. */
export class StreamedAnswer {
  readonly #api: TextApi;
  readonly #head: string;
  readonly #tail: string;
  readonly #includesUsage: boolean;

  constructor({ api, id, created, model }: Facts, { includesUsage }: { readonly includesUsage: boolean }) {
    const object = api === "chat" ? "chat.completion.chunk" : "text_completion";
    this.#api = api;
    this.#includesUsage = includesUsage;
    this.#head = `data: {"id":${JSON.stringify(id)},"object":"${object}","created":${created},"model":${JSON.stringify(model)},"choices":[`;
    // With usage asked for, each chunk says that it is not the one.
    this.#tail = includesUsage ? `],"usage":null}\n\n` : `]}\n\n`;
  }

  /** What comes before the text of a choice; empty where there is none. */
  begin(index: number): string {
    return this.#api === "chat" ? this.#chat(index, `{"role":"assistant","content":""}`, null) : "";
  }

  /** `logprobs`: where they were asked for, of the tokens of this text; `offset`: characters of the choice before it. */
  text(index: number, text: string, logprobs?: readonly TokenLogprob[], offset = 0): string {
    const quoted = JSON.stringify(text);
    const written = logprobs && JSON.stringify(logprobsOf(this.#api, logprobs, offset));
    return this.#api === "chat"
      ? this.#chat(index, `{"content":${quoted}}`, null, written)
      : this.#plain(index, quoted, null, written);
  }

  /** Calls of a choice that has made `before` others. */
  calls(index: number, calls: readonly ToolCall[], before: number): string {
    const written = calls.map((call, at) => ({ index: before + at, ...writtenCall(call) }));
    return this.#chat(index, JSON.stringify({ tool_calls: written }), null);
  }

  finish(index: number, reason: FinishReason): string {
    return this.#api === "chat" ? this.#chat(index, "{}", reason) : this.#plain(index, `""`, reason);
  }

  /** After the last choice. */
  end(usage: Usage): string {
    const last = this.#includesUsage ? `${this.#head}],"usage":${JSON.stringify(usageOf(usage))}}\n\n` : "";
    return `${last}data: [DONE]\n\n`;
  }

  #chat(index: number, delta: string, reason: FinishReason | null, logprobs = "null"): string {
    return `${this.#head}{"index":${index},"delta":${delta},"logprobs":${logprobs},"finish_reason":${JSON.stringify(reason)}}${this.#tail}`;
  }

  #plain(index: number, text: string, reason: FinishReason | null, logprobs = "null"): string {
    return `${this.#head}{"index":${index},"text":${text},"logprobs":${logprobs},"finish_reason":${JSON.stringify(reason)}}${this.#tail}`;
  }
}

const writtenCall = ({ id, ...called }: ToolCall) => ({ id, type: "function", function: called });

const logprobsOf = (api: TextApi, tokens: readonly TokenLogprob[], offset: number) =>
  api === "chat" ? chatLogprobs(tokens) : completionLogprobs(tokens, offset);

interface Choice {
  readonly text: string;
  readonly reason: FinishReason;
  /** Where they were asked for. */
  readonly logprobs?: readonly TokenLogprob[] | undefined;
  readonly calls?: readonly ToolCall[];
}

/** A whole answer, as text. */
export function wholeAnswer({ api, id, created, model }: Facts, choices: readonly Choice[], usage: Usage): string {
  return JSON.stringify({
    id,
    object: api === "chat" ? "chat.completion" : "text_completion",
    created,
    model,
    choices: choices.map(({ text, reason, logprobs, calls = [] }, index) => ({
      index,
      ...(api === "chat" ? { message: messageOf(text, calls) } : { text }),
      logprobs: logprobs === undefined ? null : logprobsOf(api, logprobs, 0),
      finish_reason: reason,
    })),
    usage: usageOf(usage),
  });
}

const messageOf = (text: string, calls: readonly ToolCall[]) => ({
  role: "assistant",
  content: calls.length > 0 && text === "" ? null : text,
  refusal: null,
  ...(calls.length > 0 && { tool_calls: calls.map(writtenCall) }),
});
