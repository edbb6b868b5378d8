import { own } from "../../../../shared/bytes/owned-bytes.ts";
import { ResponseStream } from "../../../../shared/inference/response-stream.ts";
import { INITIAL_CREDIT_BYTES } from "../../../../shared/protocol/limits.ts";
import type { HostStream, HostTrailer } from "../../../ports/model-hosts.ts";

/** What an answer may wait for its reader, all of its waits together, in ms: a slow one holds a place of the engine. */
const READER_MS = 30_000;
const encoder = new TextEncoder();

interface Source {
  /** The reader takes no more now: read nothing of the engine until `resume`. */
  pause(): void;
  resume(): void;
  /** Nobody reads any more. */
  onCancelled(): void;
  /** The answer has waited for its reader for too long. */
  onSlow(waitedMs: number): void;
}

/**
 * The sending half of an answer in pieces: what is written goes to the stream within the reader's credit, and the engine is
 * paused while some of it waits.
 */
export class EnginePieces {
  readonly stream: HostStream;
  readonly #source: Source;
  #creditBytes = INITIAL_CREDIT_BYTES;
  #waiting = new Uint8Array(0);
  #end: (() => void) | undefined;
  #isOver = false;
  #waitedMs = 0;
  #waitsSince: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: Source) {
    this.#source = source;
    this.stream = new ResponseStream<HostTrailer>({
      length: undefined,
      windowBytes: INITIAL_CREDIT_BYTES,
      grant: (bytes) => this.#granted(bytes),
    });
    void this.stream.ended.then(({ kind }) => {
      this.#isOver = true;
      this.#endWait();
      if (kind === "cancelled") source.onCancelled();
    });
  }

  /** Whether the reader has credit, so that silence is the engine's own. */
  get isReaderFree(): boolean {
    return this.#waitsSince === undefined;
  }

  write(text: string): void {
    if (text === "" || this.#isOver) return;
    const bytes = encoder.encode(text);
    if (this.#waiting.byteLength > 0) this.#waiting = joined(this.#waiting, bytes);
    else this.#waiting = this.#push(bytes);
    if (this.#waiting.byteLength > 0) this.#beginWait();
  }

  /** All was written; it is complete when the reader has taken it. */
  finish(trailer: HostTrailer): void {
    this.#end = () => this.stream.finish(trailer);
    if (this.#waiting.byteLength === 0) this.#end();
  }

  /** What waits is dropped. */
  fail(code: string, detail: string, trailer?: HostTrailer): void {
    this.stream.fail(code, detail, trailer);
  }

  /** Returns what there was no credit for. */
  #push(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const fits = Math.min(bytes.byteLength, this.#creditBytes);
    this.#creditBytes -= fits;
    if (fits === bytes.byteLength) this.stream.push(own(bytes));
    else if (fits > 0) this.stream.push(own(bytes.slice(0, fits)));
    return bytes.slice(fits);
  }

  #granted(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#waiting.byteLength > 0) this.#waiting = this.#push(this.#waiting);
    if (this.#waiting.byteLength > 0) return;
    this.#endWait();
    if (this.#end) this.#end();
    else if (!this.#isOver) this.#source.resume();
  }

  #beginWait(): void {
    if (this.#waitsSince !== undefined) return;
    this.#source.pause();
    this.#waitsSince = performance.now();
    this.#timer = setTimeout(() => this.#source.onSlow(READER_MS), Math.max(0, READER_MS - this.#waitedMs));
  }

  #endWait(): void {
    clearTimeout(this.#timer);
    if (this.#waitsSince !== undefined) this.#waitedMs += performance.now() - this.#waitsSince;
    this.#waitsSince = undefined;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(a.byteLength + b.byteLength);
  all.set(a);
  all.set(b, a.byteLength);
  return all;
}
