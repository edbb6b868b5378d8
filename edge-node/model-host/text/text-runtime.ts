import type { ResponseFormat } from "../../../shared/openai/requests.ts";

/** What a text model is made to do, whatever executes it. Positions in its vocabulary are called tokens. */
export interface TextRuntime {
  /** Tokens of prompt and answer together. */
  readonly contextTokens: number;
  /** Bytes of the longest token's text: a prompt of more than `contextTokens` times as many cannot fit. */
  readonly longestTokenBytes: number;
  /** Requests that are computed at once. */
  readonly sequences: number;
  /** How a conversation is written, in Jinja; undefined when the model does not say. */
  readonly chatTemplate: string | undefined;
  /** The texts of the tokens that begin and end a text; empty where there is none. */
  readonly specialTexts: { readonly bos: string; readonly eos: string };
  /** The tokens of a text. `hasSpecials`: texts of special tokens in it mean those tokens. */
  tokenize(text: string, how: { readonly hasSpecials: boolean }): readonly number[];
  /** The text of tokens that follow `before`. A character that is not whole yet comes as U+FFFD. */
  textOf(tokens: readonly number[], before: readonly number[]): string;
  /** What keeps an answer in a format. Throws `SkerryError` INVALID_REQUEST for a schema that it cannot keep to. */
  formatOf(format: ResponseFormat | null | undefined): Promise<AnswerFormat | undefined>;
  /**
   * The tokens that follow `prompt`, until the model ends its text or nobody asks for more. Waits for a free sequence; what
   * is in its cache already is not computed again. Ends within a step after `isCancelled` says so.
   */
  generate(prompt: readonly number[], sampling: Sampling, control: Control): AsyncGenerator<MadeToken, void, undefined>;
}

export interface MadeToken {
  readonly token: number;
  /** Of it, and of the likeliest at its place: natural logarithms. Only where `Sampling` asks for them. */
  readonly logprob?: number;
  readonly likely?: readonly { readonly token: number; readonly logprob: number }[];
}

/** Belongs to the runtime that made it. */
export interface AnswerFormat {
  readonly kind: "format";
}

export interface Sampling {
  /** 0: the most likely token. */
  readonly temperature: number;
  readonly topP: number;
  /** 0: of all tokens. */
  readonly topK: number;
  readonly minP: number;
  readonly seed: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly format: AnswerFormat | undefined;
  /** How many of the likeliest tokens each token comes with; 0: only how likely it was itself; undefined: nothing. */
  readonly logprobs: number | undefined;
  /** How many of the first tokens come with how likely they were themselves, whatever `logprobs` says. Default: none. */
  readonly measuredTokens?: number;
}

/** The likeliest token each time. */
export const GREEDY: Sampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  seed: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  format: undefined,
  logprobs: undefined,
};

export interface Control {
  /** Who asks. What the cache holds for another tenant is not used: the time and the usage of an answer would show it. */
  readonly tenant: string;
  isCancelled(): boolean;
  /** A step of the prompt was computed. */
  onStep(): void;
  /** So many tokens of the prompt were in the cache. Called once, before the first token. */
  onCached(tokens: number): void;
}
