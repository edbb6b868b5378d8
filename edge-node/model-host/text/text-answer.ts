import { randomBytes } from "node:crypto";
import { type FinishReason, StreamedAnswer, wholeAnswer } from "../../../shared/openai/answers.ts";
import type { Usage } from "../../../shared/text/usage.ts";
import type { AnswerInPieces } from "../link/event-link.ts";
import { TextAssembler } from "./text-assembler.ts";
import type { TextPlan } from "./text-plan.ts";
import type { TextRuntime } from "./text-runtime.ts";

const ID_BYTES = 12;
/** A whole answer is silent while it is made, so a space, which JSON allows before it, shows that it comes. */
const SIGN_OF_LIFE_MS = 5_000;
/** A grammar lets white space follow the value, and some models write it without end. */
const ENDLESS_SPACE = "\n\n\n\n";
const encoder = new TextEncoder();

interface Parts {
  readonly plan: TextPlan;
  readonly runtime: TextRuntime;
  /** Called with the first token; from then on the answer has begun. */
  readonly begin: () => AnswerInPieces;
  readonly isCancelled: () => boolean;
  readonly onStep: () => void;
}

/**
 * Answers one request: its choices are generated side by side, and go out as they come or, unless it streams, at the end.
 * They take all places of the model but one, so that a request of many choices keeps nobody else out.
 */
export class TextAnswer {
  readonly #parts: Parts;
  readonly #events: StreamedAnswer;
  readonly #facts: ConstructorParameters<typeof StreamedAnswer>[0];
  readonly #texts: string[];
  readonly #reasons: FinishReason[];
  #pieces: AnswerInPieces | undefined;
  #saidAt = -Infinity;
  #outputTokens = 0;
  #cachedTokens = 0;

  constructor(parts: Parts) {
    const { question, includesUsage, choices } = parts.plan;
    const api = question.openai;
    const id = `${api === "chat" ? "chatcmpl" : "cmpl"}-${randomBytes(ID_BYTES).toString("hex")}`;
    this.#parts = parts;
    this.#facts = { api, id, created: Math.floor(Date.now() / 1_000), model: question.request.model };
    this.#events = new StreamedAnswer(this.#facts, { includesUsage });
    this.#texts = choices.map(() => "");
    this.#reasons = choices.map(() => "length");
  }

  /** Undefined until the first token. */
  get pieces(): AnswerInPieces | undefined {
    return this.#pieces;
  }

  /** Resolves when all of it was sent or nobody asks for it any more; the end of the pieces is the caller's. */
  async send(): Promise<Usage> {
    const { plan, isCancelled } = this.#parts;
    await this.#generateAll();
    const usage = {
      promptTokens: plan.promptTokens,
      outputTokens: this.#outputTokens,
      cachedTokens: Math.min(this.#cachedTokens, plan.promptTokens),
    };
    if (isCancelled()) return usage;
    if (plan.streams) await this.#write(this.#events.end(usage));
    else {
      const choices = this.#texts.map((text, index) => ({ text, reason: this.#reasons[index] ?? "stop" }));
      await this.#write(wholeAnswer(this.#facts, choices, usage));
    }
    return usage;
  }

  async #generateAll(): Promise<void> {
    const { plan, runtime } = this.#parts;
    const left = plan.choices.keys();
    let hasFailed = false;
    const generateNext = async (): Promise<void> => {
      for (const index of left) {
        if (hasFailed) return;
        try {
          await this.#generate(index);
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, runtime.sequences - 1) }, generateNext));
  }

  async #generate(index: number): Promise<void> {
    const { plan, runtime, isCancelled, onStep } = this.#parts;
    const choice = plan.choices[index];
    if (choice === undefined) return;
    const isFormatted = choice.sampling.format !== undefined;
    const assembler = new TextAssembler((tokens, before) => runtime.textOf(tokens, before), {
      stops: isFormatted ? [...plan.stops, ENDLESS_SPACE] : plan.stops,
      trimsEnd: isFormatted,
    });
    const onCached = (tokens: number): void => {
      if (index === 0) this.#cachedTokens = tokens;
    };
    let made = 0;
    let reason: FinishReason = "stop";
    for await (const token of runtime.generate(choice.prompt, choice.sampling, { isCancelled, onStep, onCached })) {
      this.#outputTokens += 1;
      made += 1;
      if (made === 1) await this.#begin(index);
      await this.#show(index, assembler.push(token));
      if (assembler.isStopped || isCancelled()) break;
      if (made === plan.maxTokens) {
        reason = "length";
        break;
      }
    }
    if (isCancelled()) return;
    if (made === 0) await this.#begin(index);
    await this.#show(index, assembler.finish());
    if (assembler.isStopped) reason = "stop";
    this.#reasons[index] = reason;
    if (plan.streams) await this.#write(this.#events.finish(index, reason));
  }

  async #begin(index: number): Promise<void> {
    this.#pieces ??= this.#parts.begin();
    if (this.#parts.plan.streams) await this.#write(this.#events.begin(index));
  }

  async #show(index: number, text: string): Promise<void> {
    if (this.#parts.plan.streams) {
      if (text !== "") await this.#write(this.#events.text(index, text));
      return;
    }
    this.#texts[index] += text;
    const now = performance.now();
    if (now - this.#saidAt < SIGN_OF_LIFE_MS) return;
    this.#saidAt = now;
    await this.#write(" ");
  }

  /** Waits for the reader: a slow one delays this answer alone. */
  async #write(text: string): Promise<void> {
    if (text === "") return;
    const pieces = this.#pieces;
    if (pieces === undefined) throw new Error("an answer is written before it began");
    let rest = encoder.encode(text);
    while (rest.byteLength > 0 && !this.#parts.isCancelled()) {
      const sent = pieces.write(rest);
      rest = rest.subarray(sent);
      if (sent === 0) await pieces.granted();
    }
  }
}
