import { setImmediate } from "node:timers/promises";
import { SkerryError } from "../../../shared/base/errors.ts";
import { own } from "../../../shared/bytes/owned-bytes.ts";
import { embeddingAnswer } from "../../../shared/openai/embedding-answer.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import { type EncoderModel, RUN_TEXTS, RUN_TOKENS } from "../../../shared/text/encoder-model.ts";
import type { AnswerEnd } from "../../../shared/text/usage.ts";
import type { EventLink } from "../link/event-link.ts";
import { ANSWER_CODES, REPLY } from "../link/link-frame.ts";
import { StreamedResponses } from "../link/streamed-responses.ts";
import type { RunSharing } from "../onnx/batching/run-sharing.ts";
import { errorResponse, runtimeFault } from "../onnx/response.ts";
import type { Embed } from "./encoder.ts";
import { type EmbeddingPlan, planEmbeddings } from "./embedding-plan.ts";
import { isSame } from "./padding-check.ts";
import { shortened } from "./pooling.ts";
import type { TextTokenizer } from "../../../shared/text/text-tokenizer.ts";
import { type Item, WorkQueue } from "./work-queue.ts";

const CANCELLED = ANSWER_CODES.indexOf("CANCELLED");
const NOTHING = new Uint8Array(0);
/** How long texts are split into tokens before what came meanwhile is read, in ms. */
const TURN_MS = 20;

interface Asked {
  readonly requestId: number;
  /** Texts that may share a run. */
  readonly maxTexts: number;
  readonly embeddings: Float32Array[];
  plan: EmbeddingPlan | undefined;
  left: number;
  decodeMs: number;
  runMs: number;
}

interface Parts {
  readonly model: string;
  readonly version: string;
  readonly encoder: EncoderModel;
  readonly tokenizer: TextTokenizer;
  readonly embed: Embed;
  readonly sharing: RunSharing;
  readonly link: Pick<EventLink, "reply" | "answer" | "sendEvent">;
}

/**
 * The requests of one encoder. Their texts wait together, and each run takes those that are about as long: of one request or of several. Between
 * two runs what came is read, so that a caller who goes away is heard within one run.
 */
export class EmbedHost {
  readonly #parts: Parts;
  readonly #asked = new Map<number, Asked>();
  readonly #queue = new WorkQueue<Asked>();
  readonly #held: StreamedResponses;
  #isWorking = false;
  #onIdle: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    // The socket still has what it was given: nothing is freed by hand.
    this.#held = new StreamedResponses(
      (head, body) => parts.link.reply(head, body),
      () => undefined,
    );
  }

  /** Answers it, sooner or later. `maxTexts`: that may share a run. */
  ask(requestId: number, body: Uint8Array, maxTexts: number): void {
    const asked: Asked = { requestId, maxTexts, embeddings: [], plan: undefined, left: 0, decodeMs: 0, runMs: 0 };
    this.#asked.set(requestId, asked);
    void this.#begin(asked, body).catch((error: unknown) => this.#refuse(asked, error));
  }

  /** Nobody wants the answer any more: what has not run does not. */
  cancel(requestId: number): void {
    const asked = this.#asked.get(requestId);
    if (asked === undefined) return void this.#held.cancel(requestId);
    this.#queue.drop(asked);
    this.#parts.link.answer(requestId, CANCELLED, NOTHING);
    this.#left(asked);
  }

  /** The reader takes so many bytes more. */
  grant(requestId: number, bytes: number): void {
    this.#held.grant(requestId, bytes);
  }

  /** Resolves when nothing waits or runs. */
  idle(): Promise<void> {
    if (this.#asked.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#onIdle = resolve));
  }

  async #begin(asked: Asked, body: Uint8Array): Promise<void> {
    const { encoder, tokenizer } = this.#parts;
    const startedAt = performance.now();
    let turnEndsAt = startedAt + TURN_MS;
    const giveWay = async (): Promise<void> => {
      if (performance.now() < turnEndsAt) return;
      this.#parts.link.sendEvent({ event: "progress" });
      await setImmediate();
      if (!this.#isWanted(asked)) throw new SkerryError("CANCELLED", "its caller went away");
      turnEndsAt = performance.now() + TURN_MS;
    };
    const plan = await planEmbeddings(body, { encoder, tokenizer, giveWay });
    asked.plan = plan;
    asked.left = plan.texts.length;
    asked.decodeMs = performance.now() - startedAt;
    this.#queue.add(asked, plan.texts);
    if (this.#isWorking) return;
    this.#isWorking = true;
    // Not at once: what came in the same turn can share the run.
    await setImmediate();
    await this.#work();
  }

  async #work(): Promise<void> {
    while (!this.#queue.isEmpty) {
      const run = this.#queue.take((asked) => this.#limitsOf(asked));
      const before = performance.now();
      const embeddings = await this.#run(run);
      this.#take(run, embeddings, performance.now() - before);
      await setImmediate();
    }
    this.#isWorking = false;
  }

  #limitsOf({ maxTexts }: Asked) {
    const texts = this.#parts.sharing.isAllowed ? Math.max(1, Math.min(RUN_TEXTS, maxTexts)) : 1;
    return { texts, tokens: RUN_TOKENS };
  }

  /** An embedding for each text of the run, or why there is none. */
  async #run(run: readonly Item<Asked>[]): Promise<readonly (Float32Array | Error)[]> {
    const { embed, sharing, model: name, version } = this.#parts;
    const alone = ({ tokens }: Item<Asked>): Promise<Float32Array | Error> =>
      embed([tokens]).then(
        ([embedding]) => embedding ?? new Error("the run gave no embedding"),
        (error: unknown) => runtimeFault(error, { name, version }),
      );
    const [first, ...more] = run;
    if (first === undefined) return [];
    if (more.length === 0) return [await alone(first)];
    const together = await embed(run.map(({ tokens }) => tokens)).catch(() => undefined);
    // The shortest has the most padding.
    const last = run.at(-1) ?? first;
    const sampled = together !== undefined && sharing.isSampled() ? await alone(last) : undefined;
    const shared = together?.at(-1);
    if (sampled instanceof Float32Array && shared !== undefined && !isSame(sampled, shared))
      sharing.stop("a text in a shared run got another embedding than alone");
    if (together !== undefined && sharing.isAllowed) return together;
    const answers: (Float32Array | Error)[] = [];
    for (const item of run) answers.push(await alone(item));
    return answers;
  }

  #take(run: readonly Item<Asked>[], embeddings: readonly (Float32Array | Error)[], ms: number): void {
    const done: Asked[] = [];
    for (const asked of new Set(run.map(({ owner }) => owner))) asked.runMs += ms;
    run.forEach(({ owner: asked, index }, at) => {
      if (!this.#isWanted(asked)) return;
      const embedding = embeddings[at];
      if (!(embedding instanceof Float32Array)) return this.#refuse(asked, embedding);
      asked.embeddings[index] = embedding;
      asked.left -= 1;
      if (asked.left === 0) done.push(asked);
    });
    for (const asked of done) this.#answer(asked, done.length);
    if (done.length === 0) this.#parts.link.sendEvent({ event: "progress" });
  }

  #answer(asked: Asked, batchSize: number): void {
    const { requestId, embeddings, plan, decodeMs, runMs } = asked;
    if (plan === undefined) return;
    const { dimensions, promptTokens } = plan;
    const { normalizes } = this.#parts.encoder;
    const before = performance.now();
    const wanted = embeddings.map((each) => shortened(each, dimensions, { normalizes }));
    const body = own(embeddingAnswer(wanted, plan));
    this.#left(asked);
    if (!this.#held.hasRoom(body.byteLength))
      return this.#say(
        requestId,
        new SkerryError("QUEUE_FULL", "answers that wait for their readers fill the room for them"),
      );
    const encodeMs = performance.now() - before;
    const head = {
      code: 0,
      batchSize,
      requestId,
      headerLength: JSON_BODY,
      computeUs: Math.round((decodeMs + runMs + encodeMs) * 1_000),
      decodeUs: Math.round(decodeMs * 1_000),
      encodeUs: Math.round(encodeMs * 1_000),
    };
    this.#parts.link.reply({ ...head, kind: REPLY.HEAD, bodyLength: body.byteLength });
    const end: AnswerEnd = { usage: { promptTokens, outputTokens: 0, cachedTokens: 0 } };
    this.#held.hold(head, body, Buffer.from(JSON.stringify(end)));
    this.#held.sendGranted(requestId);
  }

  #refuse(asked: Asked, error: unknown): void {
    if (!this.#isWanted(asked)) return;
    this.#queue.drop(asked);
    this.#left(asked);
    this.#say(asked.requestId, error);
  }

  #say(requestId: number, error: unknown): void {
    const { code, body } = errorResponse(error);
    this.#parts.link.answer(requestId, code, body);
  }

  #isWanted(asked: Asked): boolean {
    return this.#asked.get(asked.requestId) === asked;
  }

  #left({ requestId }: Asked): void {
    this.#asked.delete(requestId);
    if (this.#asked.size === 0) this.#onIdle();
  }
}
