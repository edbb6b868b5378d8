import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  getLlama,
  type LlamaContextSequence,
  LlamaGrammar,
  LlamaGrammarEvaluationState,
  LlamaJsonSchemaGrammar,
  LlamaLogLevel,
  type LlamaModel,
  type Llama,
  type Token,
} from "node-llama-cpp";
import { isSkerryError, messageOf, SkerryError } from "../../../shared/base/errors.ts";
import { STEP_TOKENS } from "../../../shared/text/text-model.ts";
import type { ResponseFormat } from "../../../shared/openai/requests.ts";
import type { TextHostTask } from "../link/link-frame.ts";
import type { AnswerFormat, Control, MadeToken, Sampling, TextRuntime } from "../text/text-runtime.ts";
import { grammarSchema } from "../text/json-schema.ts";
import { HiddenMemory } from "./hidden-memory.ts";
import { SequencePool } from "../text/sequence-pool.ts";
import { StepSize } from "../text/step-size.ts";

/** For a file whose vocabulary cannot be read: far above the longest token of published models, and as many as large ones have. */
const ASSUMED_TOKEN_BYTES = 256;
const ASSUMED_VOCABULARY = 262_144;
/** What a sampler of llama.cpp holds for each token of the vocabulary. */
const BYTES_OF_CANDIDATE = 12;

class GrammarFormat implements AnswerFormat {
  readonly kind = "format";
  readonly grammar: LlamaGrammar;

  constructor(grammar: LlamaGrammar) {
    this.grammar = grammar;
  }
}

/**
 * llama.cpp by node-llama-cpp, on the processor. Its tokens are branded numbers; the rest of the host has plain ones.
 * Nothing is downloaded or compiled: without a binary for this platform it throws.
 */
export async function openLlama(task: TextHostTask): Promise<TextRuntime> {
  const { contextTokens, sequences, threads } = task;
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    maxThreads: threads,
  });
  // The agent decided what fits; a second opinion from the machine's free memory would only differ.
  const model = await llama.loadModel({ modelPath: task.file, gpuLayers: 0, ignoreMemorySafetyChecks: true });
  const context = await model.createContext({
    contextSize: contextTokens,
    sequences,
    batchSize: STEP_TOKENS,
    threads,
    ignoreMemorySafetyChecks: true,
    failedCreationRemedy: false,
  });
  const places = Array.from({ length: sequences }, () => ({ sequence: context.getSequence(), tenant: "" }));
  return new LlamaRuntime({ llama, model, places, contextTokens });
}

interface Place {
  readonly sequence: LlamaContextSequence;
  /** Whose tokens it holds. */
  tenant: string;
}

interface Parts {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly places: readonly Place[];
  readonly contextTokens: number;
}

class LlamaRuntime implements TextRuntime {
  readonly contextTokens: number;
  readonly longestTokenBytes: number;
  readonly sequences: number;
  readonly chatTemplate: string | undefined;
  readonly specialTexts: { readonly bos: string; readonly eos: string };
  readonly #llama: Llama;
  readonly #model: LlamaModel;
  readonly #pool: SequencePool<Place>;
  readonly #step = new StepSize();
  readonly #samplers: HiddenMemory;

  constructor({ llama, model, places, contextTokens }: Parts) {
    const template: unknown = model.fileInfo.metadata.tokenizer?.chat_template;
    const vocabulary: unknown = model.fileInfo.metadata.tokenizer?.ggml?.tokens;
    const size = Array.isArray(vocabulary) ? vocabulary.length : ASSUMED_VOCABULARY;
    this.#samplers = new HiddenMemory(size * BYTES_OF_CANDIDATE, collector());
    this.#llama = llama;
    this.#model = model;
    this.#pool = new SequencePool(places);
    this.contextTokens = contextTokens;
    this.longestTokenBytes = longestOf(vocabulary);
    this.sequences = places.length;
    this.chatTemplate = typeof template === "string" ? template : undefined;
    this.specialTexts = { bos: model.tokens.bosString ?? "", eos: model.tokens.eosString ?? "" };
  }

  tokenize(text: string, { hasSpecials }: { readonly hasSpecials: boolean }): readonly number[] {
    const tokens = this.#model.tokenize(text, hasSpecials);
    const { bos, shouldPrependBosToken } = this.#model.tokens;
    if (bos !== null && shouldPrependBosToken && tokens[0] !== bos) tokens.unshift(bos);
    return tokens;
  }

  textOf(tokens: readonly number[], before: readonly number[]): string {
    return this.#model.detokenize(branded(tokens), false, branded(before));
  }

  async formatOf(format: ResponseFormat | null | undefined): Promise<AnswerFormat | undefined> {
    if (format == null || format.type === "text") return undefined;
    if (format.type === "json_object") return new GrammarFormat(await LlamaGrammar.getFor(this.#llama, "json"));
    const schema = grammarSchema(format.json_schema.schema);
    try {
      // The schema was checked keyword by keyword; the package's type cannot be told of that.
      return new GrammarFormat(new LlamaJsonSchemaGrammar(this.#llama, schema as never));
    } catch (error) {
      if (isSkerryError(error)) throw error;
      throw new SkerryError("INVALID_REQUEST", `\`response_format\` was refused: ${messageOf(error).slice(0, 300)}`);
    }
  }

  async *generate(prompt: readonly number[], sampling: Sampling, control: Control): AsyncGenerator<MadeToken, void> {
    const tokens = branded(prompt);
    const { tenant } = control;
    const place = await this.#pool.take((each) => agreement(each, tokens, tenant));
    try {
      if (control.isCancelled()) return;
      let at = await keepPrefix(place, tokens, tenant);
      control.onCached(at);
      while (tokens.length - at > this.#step.tokens) {
        at += await this.#computeStep(place, tokens.slice(at, at + this.#step.tokens));
        control.onStep();
        if (control.isCancelled()) return;
      }
      yield* this.#answer(place, tokens.slice(at), sampling);
    } finally {
      this.#samplers.left();
      this.#pool.give(place);
    }
  }

  /** The tokens that follow `last`, the end of the prompt. */
  async *#answer({ sequence }: Place, last: Token[], sampling: Sampling): AsyncGenerator<MadeToken, void> {
    const made: Token[] = [];
    const options = this.#options(sampling, made);
    const { logprobs, measuredTokens = 0 } = sampling;
    const measured = logprobs === undefined ? measuredTokens : 0;
    // To tell how likely a token was takes a quarter of the time of a small model's step, so the rest is made without.
    if (measured > 0) {
      for await (const next of sequence.evaluateWithMetadata(last, { confidence: true }, options)) {
        made.push(next.token);
        yield withLogprobs(next, 0);
        if (made.length === measured) break;
      }
      if (made.length < measured) return;
    }
    // The likeliest are those of the whole vocabulary.
    const asked = logprobs === undefined ? {} : { confidence: true as const, probabilities: logprobs > 0 };
    const rest = measured === 0 ? options : { ...options, seed: (options.seed + 1) >>> 0 };
    for await (const next of sequence.evaluateWithMetadata(measured === 0 ? last : made.slice(-1), asked, rest)) {
      made.push(next.token);
      yield logprobs === undefined ? next : withLogprobs(next, logprobs);
    }
  }

  /** Takes these tokens of a prompt in, and returns how many they are. */
  async #computeStep({ sequence }: Place, tokens: Token[]): Promise<number> {
    const before = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens);
    this.#step.took(tokens.length, performance.now() - before);
    this.#samplers.left();
    return tokens.length;
  }

  /** `made`: the tokens of the answer so far. */
  #options(sampling: Sampling, made: Token[]) {
    const { temperature, topP, topK, minP, seed, frequencyPenalty, presencePenalty, format } = sampling;
    const isPenalised = frequencyPenalty !== 0 || presencePenalty !== 0;
    return {
      temperature,
      topP,
      topK,
      minP,
      seed,
      ...(isPenalised && {
        repeatPenalty: { punishTokens: () => made, penalty: 1, frequencyPenalty, presencePenalty },
      }),
      ...(format instanceof GrammarFormat && {
        grammarEvaluationState: new LlamaGrammarEvaluationState({ model: this.#model, grammar: format.grammar }),
      }),
    };
  }
}

/** Collects garbage, which programs may ask for only with a flag. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  return () => typeof collect === "function" && collect();
}

/** Files write a token's text with at least as many bytes as it stands for: a space, and each byte of a broken character, take more. */
function longestOf(vocabulary: unknown): number {
  if (!Array.isArray(vocabulary)) return ASSUMED_TOKEN_BYTES;
  return vocabulary.reduce<number>((most, each) => Math.max(most, Buffer.byteLength(String(each))), 1);
}

/** A token with the logarithms of its probability and of those of the likeliest `count`. */
function withLogprobs(
  made: { token: Token; confidence?: number; probabilities?: Map<Token, number> },
  count: number,
): MadeToken {
  const { token, confidence = 0, probabilities = new Map<Token, number>() } = made;
  const likely = probabilities
    .entries()
    .take(count)
    .map(([each, probability]) => ({ token: each, logprob: Math.log(probability) }));
  return { token, logprob: Math.log(confidence), likely: [...likely] };
}

/** How many tokens of the prompt a place holds already. What belongs to another tenant counts as nothing: the answer would show it. */
const agreement = ({ sequence, tenant }: Place, tokens: Token[], of: string): number =>
  tenant === of ? sequence.compareContextTokens(tokens).firstDifferentIndex : 0;

/** Leaves in a place what agrees with the prompt, and returns how much that is: one token is always computed anew, for its answer. */
async function keepPrefix(place: Place, tokens: Token[], tenant: string): Promise<number> {
  const { sequence } = place;
  const same = Math.min(agreement(place, tokens, tenant), tokens.length - 1);
  if (same < sequence.nextTokenIndex)
    await sequence.eraseContextTokenRanges([{ start: same, end: sequence.nextTokenIndex }]);
  place.tenant = tenant;
  return sequence.nextTokenIndex;
}

const branded = (tokens: readonly number[]): Token[] => tokens as Token[];
