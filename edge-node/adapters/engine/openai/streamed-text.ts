import type { IncomingMessage } from "node:http";
import { type ErrorCode, messageOf } from "../../../../shared/base/errors.ts";
import type { HostTrailer } from "../../../ports/model-hosts.ts";
import type { Usage } from "../../../../shared/text/usage.ts";
import { choicesOf, finishOf, indexOf, isObject, usageIn } from "./answer-chunk.ts";
import type { AnswerForm } from "./answer-forms.ts";
import { streamFault } from "../engine-faults.ts";
import { EnginePieces } from "./engine-pieces.ts";
import { SseReader } from "./sse-reader.ts";

/** How long the next token of an answer may take, in ms. */
const TOKEN_MS = 30_000;
/** A whole answer is silent while it is made, so a space, which JSON allows before it, shows that it comes. */
const SIGN_OF_LIFE_MS = 5_000;
/** How long an engine may take to end an answer of which it has said that it is whole, in ms. */
const END_MS = 1_000;

interface Parts {
  readonly response: IncomingMessage;
  /** Closes the connection to the engine. */
  readonly close: () => void;
  /** For sentences. */
  readonly engine: string;
  readonly form: AnswerForm;
  /** The caller gets events: they go out as they come. */
  readonly streams: boolean;
  /** Choices that were asked for. */
  readonly choices: number;
  readonly startedAt: number;
  /** Default: `TOKEN_MS`. */
  readonly tokenMs?: number;
}

/** Before its first event: nothing was sent, and it may still be an error with a status of its own. */
export type Begun =
  | { readonly kind: "begun" }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly detail: string };

/**
 * One answer in text, from the engine's events to the caller's. It is whole when the engine says `[DONE]`, or ends after
 * all choices have ended; whatever else ends it is a failure with a code.
 */
export class StreamedText {
  readonly pieces: EnginePieces;
  /** Resolves with the first event, or with why there is none. Never rejects. */
  readonly begun: Promise<Begun>;
  readonly #parts: Parts;
  readonly #reader = new SseReader();
  readonly #finished = new Set<number>();
  readonly #begin: (begun: Begun) => void;
  readonly #close: () => void;
  #hasBegun = false;
  #isOver = false;
  #usage: Usage | undefined;
  #silence: NodeJS.Timeout | undefined;
  #signs: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    const { response, close } = parts;
    const { promise, resolve } = Promise.withResolvers<Begun>();
    this.begun = promise;
    this.#begin = resolve;
    this.#parts = parts;
    this.pieces = new EnginePieces({
      pause: () => void response.pause(),
      resume: () => void response.resume(),
      onCancelled: () => this.#stop(),
      onSlow: (ms) =>
        this.#fail(
          "DEADLINE_EXCEEDED",
          `the answer has waited for its reader for ${ms} ms in all, and its place is needed`,
        ),
    });
    response.on("data", (bytes: Uint8Array) => this.#take(bytes));
    response.once("end", () => this.#ended());
    response.once("close", () => this.#cut());
    this.#close = close;
  }

  /** The node gives it up: its reader gets a failure with a code. */
  abort(why: string): void {
    this.#fail("HOST_CRASHED", why);
  }

  /** Nobody wants it: the connection to the engine closes, and so it stops. */
  #stop(): void {
    if (this.#isOver) return;
    this.#over();
    this.#close();
    this.#begin({ kind: "failed", code: "CANCELLED", detail: "the caller went away" });
    // Its end is said all the same: what waits for it goes on.
    this.pieces.fail("CANCELLED", "the caller went away", this.#trailer());
  }

  #take(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#orFail(() => {
      let out = "";
      const events = this.#reader.push(bytes);
      // A comment, which proxies send so that a connection stays, is no sign of a token.
      if (events.length > 0) this.#watchSilence();
      for (const data of events) {
        if (data === "[DONE]") {
          this.pieces.write(out);
          return this.#complete();
        }
        out += this.#event(data);
        if (this.#isOver) return;
      }
      this.pieces.write(out);
    });
  }

  /** Whatever an engine sends that no answer can be made of ends this one, and nothing else. */
  #orFail(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail("RUN_FAILED", `the ${this.#parts.engine} sent what is no answer: ${messageOf(error).slice(0, 200)}`);
    }
  }

  #event(data: string): string {
    const chunk: unknown = JSON.parse(data);
    if (chunk === null) return ""; // llama.cpp says it between the choices of several prompts
    if (!isObject(chunk)) throw new TypeError("an event without an object");
    if (chunk["error"] !== undefined && chunk["error"] !== null) {
      const { code, detail } = streamFault(chunk["error"], this.#parts.engine);
      this.#fail(code, detail);
      return "";
    }
    if (!this.#hasBegun) this.#first();
    this.#usage = usageIn(chunk) ?? this.#usage;
    for (const choice of choicesOf(chunk))
      if (finishOf(choice) !== undefined && indexOf(choice) < this.#parts.choices) this.#finished.add(indexOf(choice));
    return this.#parts.form.chunk(chunk);
  }

  #first(): void {
    this.#hasBegun = true;
    this.#begin({ kind: "begun" });
    if (!this.#parts.streams) this.#signs = setInterval(() => this.pieces.write(" "), SIGN_OF_LIFE_MS);
  }

  #complete(): void {
    if (this.#isOver) return;
    if (!this.#hasBegun) this.#first();
    const rest = this.#parts.form.end();
    const trailer = this.#trailer();
    this.#over();
    this.pieces.write(rest);
    this.pieces.finish(trailer);
    this.#expectEnd();
  }

  /** Its connection serves other requests after its end; one that does not end would be held for nobody. */
  #expectEnd(): void {
    const { response } = this.#parts;
    const timer = setTimeout(this.#close, END_MS);
    response.once("close", () => clearTimeout(timer));
    response.resume(); // what waits for the reader is the answer's last
  }

  /** The body ended as its length or its last chunk says. Not every engine says `[DONE]`. */
  #ended(): void {
    if (this.#isOver) return;
    if (this.#hasBegun && this.#finished.size >= this.#parts.choices) this.#orFail(() => this.#complete());
    else this.#cut();
  }

  #cut(): void {
    this.#fail("HOST_CRASHED", `the ${this.#parts.engine} closed the connection within an answer`);
  }

  #fail(code: ErrorCode, detail: string): void {
    if (this.#isOver) return;
    this.#over();
    this.#close();
    this.#begin({ kind: "failed", code, detail });
    this.pieces.fail(code, detail, this.#trailer());
  }

  #over(): void {
    this.#isOver = true;
    clearTimeout(this.#silence);
    clearInterval(this.#signs);
  }

  #trailer(): HostTrailer {
    const computeUs = (performance.now() - this.#parts.startedAt) * 1_000;
    return { computeUs, decodeUs: 0, encodeUs: 0, ...(this.#usage && { usage: this.#usage }) };
  }

  /** From its first event on. Before, the deadline of the request and the limit of the placement hold. */
  #watchSilence(): void {
    const { tokenMs = TOKEN_MS } = this.#parts;
    if (this.#silence !== undefined) return void this.#silence.refresh();
    this.#silence = setTimeout(() => {
      if (this.pieces.isReaderFree)
        this.#fail(
          "DEADLINE_EXCEEDED",
          `no token came for ${tokenMs} ms within the answer of the ${this.#parts.engine}`,
        );
      else this.#silence?.refresh();
    }, tokenMs);
  }
}
