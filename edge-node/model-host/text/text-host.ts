import { isSkerryError, messageOf, SkerryError } from "../../../shared/base/errors.ts";
import { errorBody } from "../../../shared/inference/response.ts";
import type { EventLink } from "../link/event-link.ts";
import { ANSWER_CODES } from "../link/link-frame.ts";
import type { ChatPrompt } from "./prompt.ts";
import { TextAnswer } from "./text-answer.ts";
import { parseQuestion, planText } from "./text-plan.ts";
import type { TextRuntime } from "./text-runtime.ts";

const CANCELLED = ANSWER_CODES.indexOf("CANCELLED");
const MAX_DETAIL = 500;

interface Running {
  isCancelled: boolean;
  answer: TextAnswer | undefined;
}

/**
 * The requests of one text model. Each one runs by itself; what they compute, the runtime puts into one step. An answer
 * begins with its first token, so that until then another node may be asked.
 */
export class TextHost {
  readonly #runtime: TextRuntime;
  readonly #chat: ChatPrompt;
  readonly #version: string;
  readonly #link: EventLink;
  readonly #running = new Map<number, Running>();
  #onIdle: () => void = () => undefined;

  /** `version`: of the model. */
  constructor(parts: {
    readonly runtime: TextRuntime;
    readonly chat: ChatPrompt;
    readonly link: EventLink;
    readonly version: string;
  }) {
    this.#version = parts.version;
    this.#runtime = parts.runtime;
    this.#chat = parts.chat;
    this.#link = parts.link;
  }

  /** Answers it, sooner or later. */
  ask(requestId: number, body: Uint8Array): void {
    const running: Running = { isCancelled: false, answer: undefined };
    this.#running.set(requestId, running);
    void this.#answer(requestId, body, running).finally(() => {
      this.#running.delete(requestId);
      if (this.#running.size === 0) this.#onIdle();
    });
  }

  /** Nobody wants the answer any more: its sequence is free within a step. */
  cancel(requestId: number): void {
    const running = this.#running.get(requestId);
    if (running === undefined) return;
    running.isCancelled = true;
    running.answer?.pieces?.wake();
  }

  /** The reader takes so many bytes more. */
  grant(requestId: number, bytes: number): void {
    this.#running.get(requestId)?.answer?.pieces?.grant(bytes);
  }

  /** Resolves when nothing is running. */
  idle(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#onIdle = resolve));
  }

  async #answer(requestId: number, body: Uint8Array, running: Running): Promise<void> {
    const startedAt = performance.now();
    const computeUs = (): number => (performance.now() - startedAt) * 1_000;
    try {
      const plan = await planText(parseQuestion(body), this.#runtime, this.#chat);
      const answer = new TextAnswer({
        plan,
        runtime: this.#runtime,
        version: this.#version,
        begin: (found) => this.#link.begin(requestId, found),
        isCancelled: () => running.isCancelled,
        onStep: () => this.#link.sendEvent({ event: "progress" }),
      });
      running.answer = answer;
      await answer.send();
      const { pieces, usage } = answer;
      if (pieces === undefined) this.#link.answer(requestId, CANCELLED, new Uint8Array(0));
      else pieces.end(running.isCancelled ? CANCELLED : 0, computeUs(), { usage });
    } catch (error) {
      const fault = faultOf(error);
      const code = codeOf(fault);
      const { pieces, usage } = running.answer ?? {};
      const detail = fault.message.slice(0, MAX_DETAIL);
      if (pieces === undefined) this.#link.answer(requestId, code, errorBody(fault.message));
      else pieces.end(code, computeUs(), { ...(usage && { usage }), detail });
    }
  }
}

const faultOf = (error: unknown): SkerryError =>
  isSkerryError(error)
    ? error
    : new SkerryError("RUN_FAILED", `the model could not go on: ${messageOf(error).slice(0, 300)}`);

function codeOf({ code }: SkerryError): number {
  const at = ANSWER_CODES.findIndex((known) => known === code);
  return at === -1 ? ANSWER_CODES.indexOf("RUN_FAILED") : at;
}
