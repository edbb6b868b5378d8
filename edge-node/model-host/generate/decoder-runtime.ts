import { readFile } from "node:fs/promises";
import path from "node:path";
import { SkerryError } from "../../../shared/base/errors.ts";
import type { ResponseFormat } from "../../../shared/openai/requests.ts";
import type { DecoderModel } from "../../../shared/text/decoder-model.ts";
import { AnswerFormats, GrammarFormat } from "../grammar/answer-formats.ts";
import type { DecoderFolder, TextHostTask } from "../link/link-frame.ts";
import { openModel } from "../onnx/model.ts";
import { SequencePool } from "../text/sequence-pool.ts";
import { StepSize } from "../text/step-size.ts";
import type { AnswerFormat, Control, MadeToken, Sampling, TextRuntime } from "../text/text-runtime.ts";
import { CacheBlock, type Numbers } from "./cache-block.ts";
import { DecoderGraph } from "./decoder-graph.ts";
import { DecoderTokenizer } from "./decoder-tokenizer.ts";
import { Sampler } from "./sampler.ts";
import { whyAlone } from "./sharing-check.ts";
import { keepFirst, Row, StepLoop } from "./step-loop.ts";

/**
 * Tokens of a prompt's last part: one alone is computed by other kernels than several, with 8-bit activations in other roundings. So
 * an answer does not depend on where a prompt was cut, or on what of it was in the cache.
 */
const LAST_TOKENS = 2;
/** Tokens that are computed again rather than copied from a text that is under way. */
const NEAR_TOKENS = 32;

export interface OpenedDecoder {
  readonly runtime: TextRuntime;
  /** Why its texts share no run; undefined when they do. */
  readonly noBatchReason: string | undefined;
}

/** A decoder in ONNX with its tokenizer. Tries first which runs its graph allows. */
export async function openDecoder(
  { file, threads, contextTokens, sequences }: TextHostTask,
  { directory, decoder, vocabulary }: DecoderFolder,
): Promise<OpenedDecoder> {
  const { tokenizer, tokenizerSettings } = decoder;
  const settings = tokenizerSettings === undefined ? {} : await objectIn(path.join(directory, tokenizerSettings));
  const words = new DecoderTokenizer(await objectIn(path.join(directory, tokenizer)), settings);
  const chatTemplate = await templateOf(directory, decoder, settings);
  const graph = new DecoderGraph(await openModel(file, [], { threads }), decoder);
  const noBatchReason = await whyAlone(graph, vocabulary);
  const loop = new StepLoop(graph, { sharesRuns: noBatchReason === undefined });
  const runtime = new DecoderRuntime({ words, chatTemplate, decoder, loop, contextTokens, sequences });
  return { runtime, noBatchReason };
}

/** Room for the tokens of one request. */
interface Place {
  readonly row: Row;
  /** Whose tokens it holds, and which. */
  tenant: string;
  readonly tokens: number[];
}

class DecoderRuntime implements TextRuntime {
  readonly contextTokens: number;
  readonly longestTokenBytes: number;
  readonly sequences: number;
  readonly chatTemplate: string | undefined;
  readonly specialTexts: { readonly bos: string; readonly eos: string };
  readonly #words: DecoderTokenizer;
  readonly #ends: ReadonlySet<number>;
  readonly #loop: StepLoop;
  readonly #places: readonly Place[];
  readonly #pool: SequencePool<Place>;
  readonly #step = new StepSize();
  /** Made with the first request that asks for one. */
  #formats: Promise<AnswerFormats> | undefined;

  constructor(parts: {
    readonly words: DecoderTokenizer;
    readonly chatTemplate: string | undefined;
    readonly decoder: DecoderModel;
    readonly loop: StepLoop;
    readonly contextTokens: number;
    readonly sequences: number;
  }) {
    const { words, decoder, sequences } = parts;
    this.#words = words;
    this.#ends = new Set(decoder.ends);
    this.#loop = parts.loop;
    this.#places = Array.from({ length: sequences }, () => ({
      row: new Row(CacheBlock.empty(decoder)),
      tenant: "",
      tokens: [],
    }));
    this.#pool = new SequencePool(this.#places);
    this.contextTokens = parts.contextTokens;
    this.longestTokenBytes = decoder.longestTokenBytes;
    this.sequences = sequences;
    this.chatTemplate = parts.chatTemplate;
    this.specialTexts = words.specialTexts;
  }

  tokenize(text: string, how: { readonly hasSpecials: boolean }): readonly number[] {
    return this.#words.tokenize(text, how);
  }

  textOf(tokens: readonly number[], before: readonly number[]): string {
    return this.#words.textOf(tokens, before);
  }

  async formatOf(format: ResponseFormat | null | undefined): Promise<AnswerFormat | undefined> {
    if (format == null || format.type === "text") return undefined;
    this.#formats ??= this.#words.allBytes().then((texts) => new AnswerFormats(texts, this.#ends));
    return (await this.#formats).of(format);
  }

  async *generate(prompt: readonly number[], sampling: Sampling, control: Control): AsyncGenerator<MadeToken, void> {
    const place = await this.#pool.take((each) => agreement(each, prompt, control.tenant));
    try {
      if (control.isCancelled()) return;
      control.onCached(this.#keepPrefix(place, prompt, control.tenant));
      const { row, tokens } = place;
      const sampler = new Sampler(sampling);
      const follower = sampling.format instanceof GrammarFormat ? sampling.format.follow() : undefined;
      let logits = await this.#read(place, prompt, control);
      while (tokens.length < prompt.length) {
        control.onStep();
        if (control.isCancelled()) return;
        logits = await this.#read(place, prompt, control);
      }
      for (;;) {
        if (logits === undefined || control.isCancelled()) return;
        const allowed = follower?.allowed();
        const made = sampler.draw(logits, allowed);
        if (allowed?.has(made.token) === false)
          throw new SkerryError("RUN_FAILED", "no token of the model goes on in the format of its answer");
        if (this.#ends.has(made.token)) return;
        follower?.take(made.token);
        yield made;
        if (follower?.isOver === true || control.isCancelled() || tokens.length >= this.contextTokens) return;
        requireCache(place);
        tokens.push(made.token);
        logits = (await this.#loop.token(row, made.token, () => control.isCancelled()))?.logits;
      }
    } finally {
      this.#pool.give(place);
    }
  }

  /** Takes the next part of a prompt in. The logits behind it, if it is the last one; undefined when nobody wants it any more. */
  async #read(place: Place, prompt: readonly number[], control: Control): Promise<Numbers | undefined> {
    requireCache(place);
    const { row, tokens } = place;
    const rest = prompt.length - tokens.length;
    const count = rest <= this.#step.tokens ? rest : Math.min(this.#step.tokens, rest - LAST_TOKENS);
    const part = prompt.slice(tokens.length, tokens.length + count);
    const hasLogits = tokens.length + part.length === prompt.length;
    const computed = await this.#loop.prompt(row, part, { hasLogits, isCancelled: () => control.isCancelled() });
    if (computed === undefined) return undefined;
    this.#step.took(part.length, computed.ms);
    tokens.push(...part);
    return computed.logits;
  }

  /**
   * Leaves in a place what agrees with the prompt, from itself or from a text of the same tenant that is under way, and returns
   * how much that is: the last tokens are always computed anew, for the answer.
   */
  #keepPrefix(place: Place, prompt: readonly number[], tenant: string): number {
    const most = (each: Place): number =>
      Math.max(0, Math.min(agreement(each, prompt, tenant), prompt.length - LAST_TOKENS));
    let from = place;
    for (const other of this.#places) if (most(other) > most(from) + (from === place ? NEAR_TOKENS : 0)) from = other;
    const length = most(from);
    keepFirst(place.row, from.row, length);
    place.tenant = tenant;
    place.tokens.splice(0, place.tokens.length, ...from.tokens.slice(0, length));
    return length;
  }
}

/** A step that runs out of memory loses the tokens of all texts that it moves, of which only those that it computes fail with it. */
function requireCache({ row, tokens }: Place): void {
  if (row.length !== tokens.length) throw new Error("memory ran out, and the tokens of this text were lost");
}

/** How many tokens of the prompt a place holds already. What belongs to another tenant counts as nothing: the answer would show it. */
function agreement({ tokens, tenant, row }: Place, prompt: readonly number[], of: string): number {
  if (tenant !== of) return 0;
  // The last token of a text that is under way may not be in the cache yet.
  const held = Math.min(tokens.length, row.length);
  const differs = tokens.findIndex((token, at) => at >= held || token !== prompt[at]);
  return differs === -1 ? held : differs;
}

async function objectIn(file: string): Promise<object> {
  const value: unknown = JSON.parse(await readFile(file, "utf8"));
  if (typeof value === "object" && value !== null) return value;
  throw new Error(`${file} holds no object`);
}

/** A file of its own counts before the one in the tokenizer's settings. */
async function templateOf(
  directory: string,
  { chatTemplate }: DecoderModel,
  settings: { readonly chat_template?: unknown },
): Promise<string | undefined> {
  if (chatTemplate !== undefined) return readFile(path.join(directory, chatTemplate), "utf8");
  const { chat_template: template } = settings;
  if (typeof template === "string") return template;
  if (!Array.isArray(template)) return undefined;
  const named: readonly { readonly name?: unknown; readonly template?: unknown }[] = template;
  const usual = named.find(({ name }) => name === "default");
  return typeof usual?.template === "string" ? usual.template : undefined;
}
