import { randomBytes } from "node:crypto";
import { SkerryError } from "../../../shared/base/errors.ts";
import { type FinishReason, StreamedAnswer, type ToolCall, wholeAnswer } from "../../../shared/openai/answers.ts";
import { GeneratedAnswer } from "../../../shared/openai/generate.ts";
import type { TokenLogprob } from "../../../shared/openai/logprobs.ts";
import type { Usage } from "../../../shared/text/usage.ts";
import type { AnswerInPieces } from "../link/event-link.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { TextAssembler } from "./text-assembler.ts";
import type { TextPlan } from "./text-plan.ts";
import type { TextRuntime } from "./text-runtime.ts";
import { TokenLog } from "./token-log.ts";
import { ToolCallReader } from "./tool-calls.ts";

const ID_BYTES = 12;
/** A grammar lets white space follow the value, and some models write it without end. */
const ENDLESS_SPACE = "\n\n\n\n";
/**
 * What an answer may wait for its reader, all of its waits together, and how long its next token may take, in ms. Without
 * the first bound a reader that takes a byte now and then holds a place of the model for hours.
 * After `signMs` without a byte a sign of life is sent, as an answer that is silent for `STREAM_STALL_MS` is ended: a whole one is
 * silent while it is made, and a stream while what comes is held back, such as a call of a tool.
 */
const BOUNDS: Bounds = { readerMs: 30_000, tokenMs: 30_000, signMs: 5_000 };

interface Bounds {
  readonly readerMs: number;
  readonly tokenMs: number;
  readonly signMs: number;
}

interface Parts {
  readonly plan: TextPlan;
  readonly runtime: TextRuntime;
  /** Of the model. */
  readonly version: string;
  /**
   * Called with the first token, or when the model's doubt was measured where that was asked for; from then on the answer has
   * begun.
   */
  readonly begin: (found: { readonly isDoubtful: boolean }) => AnswerInPieces;
  readonly isCancelled: () => boolean;
  /** A sign of life, while no answer comes of what is computed. */
  readonly onStep: () => void;
  /** Default: `BOUNDS`. */
  readonly bounds?: Partial<Bounds>;
}

/** A choice as far as it was made. */
interface Written {
  /** Empty where it was sent already. */
  text: string;
  /** Characters that were sent. */
  length: number;
  reason: FinishReason;
  /** Undefined: not asked for. */
  readonly logprobs: TokenLogprob[] | undefined;
  readonly calls: ToolCall[];
}

interface Shown {
  readonly text: string;
  readonly logprobs: readonly TokenLogprob[] | undefined;
}

/**
 * Answers one request: its choices are generated side by side, and go out as they come or, unless it streams, at the end.
 * They take all places of the model but one, so that a request of many choices keeps nobody else out.
 *
 * It fails as a whole: when one choice does, when its reader is too slow, or when no token comes for too long. From then on
 * nothing is written, and the other choices end within a step.
 */
export class TextAnswer {
  readonly #parts: Parts;
  readonly #events: StreamedAnswer | GeneratedAnswer;
  readonly #facts: ConstructorParameters<typeof StreamedAnswer>[0];
  readonly #choices: Written[];
  #outputTokens = 0;
  #cachedTokens = 0;
  readonly #bounds: Bounds;
  readonly #failed = Promise.withResolvers<never>();
  #hasFailed = false;
  readonly #writer: AnswerWriter;

  constructor(parts: Parts) {
    const { question, includesUsage, choices } = parts.plan;
    const api = question.openai;
    const id = `${api === "chat" ? "chatcmpl" : "cmpl"}-${randomBytes(ID_BYTES).toString("hex")}`;
    this.#parts = parts;
    this.#bounds = { ...BOUNDS, ...parts.bounds };
    this.#writer = new AnswerWriter({
      doubt: question.doubt,
      readerMs: this.#bounds.readerMs,
      begin: parts.begin,
      isOver: () => this.#isOver,
      onStep: parts.onStep,
      onTooLong: (error) => this.#fail(error),
    });
    // `send` rejects with it; a failure after that is no unhandled rejection.
    this.#failed.promise.catch(() => undefined);
    this.#facts = { api, id, created: Math.floor(Date.now() / 1_000), model: question.request.model };
    this.#events =
      question.openai === "completion" && question.generate !== undefined
        ? new GeneratedAnswer({ generate: question.generate, version: parts.version })
        : new StreamedAnswer(this.#facts, { includesUsage });
    this.#choices = choices.map(({ sampling }) => ({
      text: "",
      length: 0,
      reason: "length",
      logprobs: sampling.logprobs === undefined ? undefined : [],
      calls: [],
    }));
  }

  /** Undefined until the first token. */
  get pieces(): AnswerInPieces | undefined {
    return this.#writer.pieces;
  }

  /** The tokens that it took, as far as it came. */
  get usage(): Usage {
    const { promptTokens } = this.#parts.plan;
    return {
      promptTokens,
      outputTokens: this.#outputTokens,
      cachedTokens: Math.min(this.#cachedTokens, promptTokens),
    };
  }

  /** Resolves when all of it was sent or nobody asks for it any more; the end of the pieces is the caller's. */
  async send(): Promise<void> {
    try {
      await Promise.race([this.#sendAll(), this.#failed.promise]);
    } finally {
      this.#writer.stop();
    }
  }

  async #sendAll(): Promise<void> {
    const { plan, isCancelled } = this.#parts;
    await this.#generateAll();
    if (isCancelled()) return;
    if (plan.streams) return this.#writer.write(this.#events.end(this.usage));
    const [first] = this.#choices;
    const isGenerated = this.#events instanceof GeneratedAnswer && first !== undefined;
    await this.#writer.write(
      isGenerated ? this.#events.whole(first) : wholeAnswer(this.#facts, this.#choices, this.usage),
    );
  }

  async #generateAll(): Promise<void> {
    const { plan, runtime } = this.#parts;
    const left = plan.choices.keys();
    const generateNext = async (): Promise<void> => {
      for (const index of left) {
        if (this.#hasFailed) return;
        await this.#generate(index).catch((error: unknown) => this.#fail(error));
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, runtime.sequences - 1) }, generateNext));
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#failed.reject(error instanceof Error ? error : new Error(String(error)));
    this.#writer.pieces?.wake();
  }

  /** Nobody needs a further token. */
  get #isOver(): boolean {
    return this.#hasFailed || this.#parts.isCancelled();
  }

  async #generate(index: number): Promise<void> {
    const { plan, runtime, onStep } = this.#parts;
    const [choice, written] = [plan.choices[index], this.#choices[index]];
    if (choice === undefined || written === undefined) return;
    const log = new TokenLog((token) => runtime.textOf([token], []));
    const isFormatted = choice.sampling.format !== undefined;
    const assembler = new TextAssembler((tokens, before) => runtime.textOf(tokens, before), {
      stops: isFormatted ? [...plan.stops, ENDLESS_SPACE] : plan.stops,
      trimsEnd: isFormatted,
    });
    const onCached = (tokens: number): void => {
      if (index === 0) this.#cachedTokens = tokens;
    };
    let made = 0;
    const reader = plan.mayCall ? new ToolCallReader() : undefined;
    const show = async (made: string): Promise<void> => {
      const { text, calls } = reader?.push(made) ?? { text: made, calls: [] };
      const logprobs = written.logprobs && log.take(text, { isCut: assembler.isStopped });
      await this.#show(index, written, { text, logprobs });
      await this.#call(index, written, calls);
    };
    let reason: FinishReason = "stop";
    const { tenant = "" } = plan.question;
    const control = { tenant, isCancelled: () => this.#isOver, onStep, onCached };
    const watch = this.#watchTokens();
    try {
      for await (const next of runtime.generate(choice.prompt, choice.sampling, control)) {
        this.#outputTokens += 1;
        made += 1;
        if (made === 1) await this.#begin(index);
        if (written.logprobs !== undefined) log.push(next);
        await show(assembler.push(next.token));
        if (index === 0) await this.#writer.measure(next);
        watch.came();
        if (assembler.isStopped || this.#isOver) break;
        if (made === plan.maxTokens) {
          reason = "length";
          break;
        }
      }
    } finally {
      watch.stop();
    }
    if (this.#isOver) return;
    if (made === 0) await this.#begin(index);
    if (index === 0) await this.#writer.endMeasure();
    await show(assembler.finish());
    if (reader) {
      const { text, calls } = reader.finish();
      await this.#show(index, written, { text, logprobs: undefined });
      await this.#call(index, written, calls);
    }
    if (assembler.isStopped) reason = "stop";
    if (reason === "stop" && written.calls.length > 0) reason = "tool_calls";
    written.reason = reason;
    if (plan.streams) await this.#writer.write(this.#events.finish(index, reason));
  }

  async #begin(index: number): Promise<void> {
    if (this.#isOver) return;
    this.#writer.begin();
    if (this.#parts.plan.streams) await this.#writer.write(this.#events.begin(index));
  }

  /** From its first token on a choice fails when none follows for too long. Returns what to call with each token. */
  #watchTokens(): { readonly came: () => void; readonly stop: () => void } {
    const { tokenMs } = this.#bounds;
    const onLate = (): void => {
      if (this.#writer.isWaiting) timer?.refresh();
      else this.#fail(new SkerryError("DEADLINE_EXCEEDED", `no token came for ${tokenMs} ms within the answer`));
    };
    let timer: NodeJS.Timeout | undefined;
    return { came: () => (timer = timer?.refresh() ?? setTimeout(onLate, tokenMs)), stop: () => clearTimeout(timer) };
  }

  async #show(index: number, written: Written, { text, logprobs }: Shown): Promise<void> {
    const isSilent = this.#writer.silentMs >= this.#bounds.signMs;
    if (this.#parts.plan.streams) {
      if (text !== "" || isSilent) await this.#writer.write(this.#events.text(index, text, logprobs, written.length));
      written.length += text.length;
      return;
    }
    written.text += text;
    if (logprobs !== undefined) written.logprobs?.push(...logprobs);
    // JSON allows it before the answer.
    if (isSilent) await this.#writer.write(" ");
  }

  async #call(index: number, written: Written, calls: readonly ToolCall[]): Promise<void> {
    if (calls.length === 0) return;
    if (this.#parts.plan.streams && this.#events instanceof StreamedAnswer)
      await this.#writer.write(this.#events.calls(index, calls, written.calls.length));
    written.calls.push(...calls);
  }
}
