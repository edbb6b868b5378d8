import { ResponseStream } from "../../../shared/inference/response-stream.ts";
import { INITIAL_CREDIT_BYTES, MAX_ANSWER_BYTES, STREAM_STALL_MS } from "../../../shared/protocol/limits.ts";
import { UNKNOWN_LENGTH } from "../../../shared/protocol/frames/stream-frame.ts";
import { ANSWER_CODES, ASK, type ReplyHead, type RequestHead } from "../../model-host/link/link-frame.ts";
import { answerEnd } from "../../../shared/text/usage.ts";
import type { HostStream, HostTrailer } from "../../ports/model-hosts.ts";
import type { Reply } from "./reply-reader.ts";

interface Open {
  readonly stream: HostStream;
  /** Without a byte for so long while it may send, the host hangs. */
  readonly silenceMs: number;
  seenBytes: number;
  timer: NodeJS.Timeout | undefined;
}

interface Host {
  /** Sends the host a cancel or a credit. */
  ask(fields: RequestHead): void;
  /** It has sent nothing of an answer for `ms`, though it may. */
  onSilent(ms: number): void;
}

/**
 * The answers of one host that come in pieces. Each is here from its head to its end: when its reader goes away the host is
 * told, and what it had sent before is dropped until it has ended the answer. A reply that breaks the order, the length
 * or the credit throws: the host is to be killed.
 */
export class HostStreams {
  readonly #host: Host;
  readonly #open = new Map<number, Open>();

  constructor(host: Host) {
    this.#host = host;
  }

  get size(): number {
    return this.#open.size;
  }

  /** `timeoutMs`: what a run may take; the host may be busy with another one before it sends more. */
  begin({ requestId, bodyLength }: ReplyHead, timeoutMs: number): HostStream {
    const length = bodyLength === UNKNOWN_LENGTH ? undefined : bodyLength;
    if (this.#open.has(requestId) || (length ?? 0) > MAX_ANSWER_BYTES)
      throw new RangeError(`an answer of ${bodyLength} bytes to request ${requestId}`);
    const say = { requestId, bodyLength: 0, maxRows: 0 };
    const stream: HostStream = new ResponseStream<HostTrailer>({
      length,
      windowBytes: INITIAL_CREDIT_BYTES,
      grant: (bytes) => this.#host.ask({ ...say, kind: ASK.CREDIT, headerLength: bytes }),
    });
    const open: Open = { stream, silenceMs: STREAM_STALL_MS + timeoutMs, seenBytes: 0, timer: undefined };
    this.#open.set(requestId, open);
    this.#watch(open);
    void stream.ended.then(({ kind }) => {
      if (kind === "cancelled" && this.#open.has(requestId))
        this.#host.ask({ ...say, kind: ASK.CANCEL, headerLength: 0 });
    });
    return stream;
  }

  /** Nobody reads the answer any more. Does nothing for one that is not here. */
  cancel(requestId: number): void {
    this.#open.get(requestId)?.stream.cancel();
  }

  piece({ requestId, body }: Reply): void {
    if (!this.#present(requestId).stream.push(body))
      throw new RangeError(`more than was granted of the answer to request ${requestId}`);
  }

  end({ requestId, code, computeUs, decodeUs, encodeUs, body }: Reply): void {
    const { stream, timer } = this.#present(requestId);
    clearTimeout(timer);
    this.#open.delete(requestId);
    const why = ANSWER_CODES[code];
    const { usage, detail = "the model host could not finish its answer" } =
      body.byteLength === 0 ? {} : answerEnd.parse(JSON.parse(Buffer.from(body).toString("utf8")));
    const trailer = { computeUs, decodeUs, encodeUs, ...(usage && { usage }) };
    if (why === undefined) stream.finish(trailer);
    else stream.fail(why, detail, trailer);
  }

  /** The process is gone. */
  fail(code: string, why: string): void {
    for (const [requestId, { stream, timer }] of this.#open) {
      clearTimeout(timer);
      this.#open.delete(requestId);
      stream.fail(code, why);
    }
  }

  #present(requestId: number): Open {
    const open = this.#open.get(requestId);
    if (open === undefined) throw new Error(`a piece of an answer to request ${requestId}, which has not begun`);
    return open;
  }

  #watch(open: Open): void {
    const { stream, silenceMs } = open;
    open.timer = setTimeout(() => {
      if (stream.isSenderFree && stream.receivedBytes === open.seenBytes) return this.#host.onSilent(silenceMs);
      open.seenBytes = stream.receivedBytes;
      this.#watch(open);
    }, silenceMs);
  }
}
