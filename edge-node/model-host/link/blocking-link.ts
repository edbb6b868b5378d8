import { readSync, writeSync } from "node:fs";
import { type AnswerDoubt, answerDoubt } from "../../../shared/protocol/answer-doubt.ts";
import { MAX_BODY_BYTES } from "../../../shared/protocol/limits.ts";
import { release, own, type OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import { errorBody } from "../../../shared/inference/response.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import { StreamedResponses } from "./streamed-responses.ts";
import {
  ANSWER_CODES,
  ASK,
  type HostEvent,
  readRequestHead,
  REPLY,
  REPLY_HEADER,
  type ReplyHead,
  REQUEST_HEADER,
  type RequestHead,
  WHOLE_ANSWER_BYTES,
  writeReplyHead,
} from "./link-frame.ts";

const CANCELLED = ANSWER_CODES.indexOf("CANCELLED");
const QUEUE_FULL = ANSWER_CODES.indexOf("QUEUE_FULL");

const NO_ROOM = errorBody(
  "the answer is there, but answers that wait for their readers fill the room for them. Ask again later, or for fewer rows or outputs",
);

/** A request as it lies in the read buffer: untouched until the next call of `next`. */
export interface LinkRequest extends RequestHead {
  readonly body: Uint8Array;
  /** When its answer is in doubt; undefined: nobody asks. */
  readonly doubt?: AnswerDoubt;
  /** What is kept of its stream; undefined: it has none. */
  readonly kept?: Uint8Array;
}

/** An answer without its place in the protocol. */
export type LinkResponse = Omit<ReplyHead, "kind" | "bodyLength"> & {
  readonly body: OwnedBytes;
  /** What is kept of its stream from now on. */
  readonly kept?: Uint8Array;
};

/** What one read can bring at most is what the kernel holds of a socket's stream: 208 KiB on Linux. */
const FIRST_CAPACITY = 256 * 1_024;
/** A buffer grown for one large request is freed after it. */
const KEPT_CAPACITY = 1_048_576;
/** Of the widest number. */
const ALIGNMENT = 8;
/** A reply that is copied to leave with others; the body of a larger one is written as it lies. */
const SMALL_BYTES = 16_384;
/** Replies that leave in one write. */
const OUT_CAPACITY = 8 * SMALL_BYTES;

/**
 * The host's end of the link. It blocks: the host has nothing else to do, and a blocking read wakes sooner than an event
 * loop (round trip 82–120 µs against 87–165 µs at the median in the same rounds; test/bench/requests/host-hop.bench.ts).
 */
export class BlockingLink {
  readonly #fd: number;
  #buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  /** Bytes of `#buffer` between these two have been read from the socket and not been used. */
  #start = 0;
  #end = 0;
  /** Where in `#buffer` the first message begins that was not looked at for cancellations; may lie beyond `#end`. */
  #scanned = 0;
  /** Requests that were taken back and whose cancellation lies in `#buffer`. */
  readonly #cancelled = new Set<number>();
  /** What is kept of the streams of requests that follow, by their ids. */
  readonly #kept = new Map<number, Uint8Array>();
  /**
   * What is about to leave. Kept: Node's pool gives a slab to every few turns, and those that were in use when V8 collected
   * its young generation stayed until it collected all (60 MiB after a million requests).
   */
  readonly #out = Buffer.allocUnsafeSlow(OUT_CAPACITY);
  #outLength = 0;
  readonly #held = new StreamedResponses((head, body) => this.#put(head, body));

  readonly #onLimit: () => void;

  /** `onLimit`: the memory limit is another one from now on. */
  constructor(fd: number, { onLimit = () => undefined }: { readonly onLimit?: () => void } = {}) {
    this.#fd = fd;
    this.#onLimit = onLimit;
  }

  /** Waits for a request; undefined when the agent has closed its end or is gone. */
  next(): LinkRequest | undefined {
    for (;;) {
      if (this.#start === this.#end) this.#drained();
      if (!this.#fill(REQUEST_HEADER)) return undefined;
      const head = this.#peek();
      if (head.bodyLength > MAX_BODY_BYTES) throw new Error(`the agent sent a body of ${head.bodyLength} bytes`);
      if (!this.#fill(REQUEST_HEADER + head.bodyLength, REQUEST_HEADER + head.headerLength)) return undefined;
      const request = this.#take(head);
      if (this.#isWanted(request)) return this.#withKept(request);
    }
  }

  /**
   * The next request if all of it has been read already, without waiting. One read brings what came while the last run
   * was on, so this is how requests that arrived together are found; a blocking descriptor cannot be asked for more.
   */
  ready(): LinkRequest | undefined {
    while (this.#end - this.#start >= REQUEST_HEADER) {
      const head = this.#peek();
      if (this.#end - this.#start < REQUEST_HEADER + head.bodyLength) return undefined;
      const request = this.#take(head);
      if (this.#isWanted(request)) return this.#withKept(request);
    }
    return undefined;
  }

  #withKept(request: LinkRequest): LinkRequest {
    const kept = this.#kept.get(request.requestId);
    if (kept === undefined) return request;
    this.#kept.delete(request.requestId);
    return { ...request, kept };
  }

  /** False for what is no request, which is dealt with here, and for one that a cancellation in the buffer takes back. */
  #isWanted({ kind, requestId, headerLength, body }: LinkRequest): boolean {
    if (kind === ASK.KEPT) {
      this.#kept.set(requestId, Uint8Array.from(body)); // the buffer is read into again
      return false;
    }
    if (kind === ASK.LIMIT) {
      this.#onLimit();
      return false;
    }
    if (kind === ASK.CREDIT) {
      this.#held.grant(requestId, headerLength);
      this.#flush();
      return false;
    }
    if (kind === ASK.CANCEL) {
      this.#cancelled.delete(requestId);
      if (this.#held.cancel(requestId)) this.#flush();
      return false;
    }
    this.#scan();
    if (!this.#cancelled.has(requestId)) return true;
    this.#kept.delete(requestId);
    const nothing = { headerLength: 0, computeUs: 0, decodeUs: 0, encodeUs: 0 };
    this.#put({ kind: REPLY.ANSWER, code: CANCELLED, batchSize: 1, requestId, ...nothing }, new Uint8Array(0));
    this.#flush();
    return false;
  }

  /** Finds the cancellations in what has been read. Each message is looked at once. */
  #scan(): void {
    this.#scanned = Math.max(this.#scanned, this.#start);
    while (this.#scanned + REQUEST_HEADER <= this.#end) {
      const head = this.#headAt(this.#scanned);
      if (head.kind === ASK.CANCEL) this.#cancelled.add(head.requestId);
      this.#scanned += REQUEST_HEADER + head.bodyLength;
    }
  }

  /** The next read has the whole buffer again: near its end it would bring fewer requests than are there. */
  #drained(): void {
    if (this.#buffer.byteLength > KEPT_CAPACITY) this.#replace(Buffer.allocUnsafeSlow(FIRST_CAPACITY));
    this.#start = this.#end = this.#scanned = 0;
  }

  #peek(): RequestHead {
    return this.#headAt(this.#start);
  }

  #headAt(at: number): RequestHead {
    return readRequestHead(new DataView(this.#buffer.buffer, at, REQUEST_HEADER));
  }

  #take(head: RequestHead): LinkRequest {
    const from = this.#start + REQUEST_HEADER;
    this.#start = from + head.bodyLength;
    const { doubtLength = 0 } = head;
    const end = this.#start - doubtLength;
    const request = { ...head, body: this.#buffer.subarray(from, end) };
    if (doubtLength === 0) return request;
    return { ...request, doubt: answerDoubt.parse(JSON.parse(this.#buffer.toString("utf8", end, this.#start))) };
  }

  /**
   * Reads until `bytes` unused bytes are there; false at the end of the stream. What takes more than one read is large, and
   * its binary tensors, `toTensors` bytes on, come to lie aligned: they are then looked at in place (602 kB: 300 µs less).
   */
  #fill(bytes: number, toTensors = 0): boolean {
    if (this.#end - this.#start >= bytes) return true;
    const isAligned = (this.#start + toTensors) % ALIGNMENT === 0;
    if (!isAligned || this.#start + bytes > this.#buffer.byteLength) this.#makeRoom(bytes, toTensors);
    while (this.#end - this.#start < bytes) {
      const count = readSync(this.#fd, this.#buffer, this.#end, this.#buffer.byteLength - this.#end, null);
      if (count === 0) return false;
      this.#end += count;
    }
    return true;
  }

  #makeRoom(bytes: number, toTensors: number): void {
    const start = (ALIGNMENT - (toTensors % ALIGNMENT)) % ALIGNMENT;
    const isTooSmall = start + bytes > this.#buffer.byteLength;
    const target = isTooSmall ? Buffer.allocUnsafeSlow(ALIGNMENT + bytes) : this.#buffer;
    this.#buffer.copy(target, start, this.#start, this.#end);
    if (isTooSmall) this.#replace(target);
    this.#end += start - this.#start;
    this.#scanned += start - this.#start;
    this.#start = start;
  }

  /** Nobody looks at the old one any more: the batch that did is over. */
  #replace(buffer: Buffer<ArrayBuffer>): void {
    release(own(this.#buffer));
    this.#buffer = buffer;
  }

  /** `slot`: of the model of a shared host that it is about. */
  sendEvent(event: HostEvent, slot = 0): void {
    const body = Buffer.from(JSON.stringify(event));
    this.#put(
      {
        kind: REPLY.EVENT,
        code: 0,
        batchSize: 0,
        requestId: slot,
        headerLength: 0,
        computeUs: 0,
        decodeUs: 0,
        encodeUs: 0,
      },
      body,
    );
    this.#flush();
  }

  /**
   * Small bodies go out in one write: the agent wakes once for a whole batch. A large one is taken over, and sent in pieces as
   * far as it is granted: behind the others, and never so that the host waits for its reader.
   */
  answer(answers: readonly LinkResponse[]): void {
    const begun: number[] = [];
    for (const { body, kept, ...head } of answers) {
      if (kept !== undefined) this.#put({ ...head, kind: REPLY.KEPT, headerLength: 0 }, kept);
      if (body.byteLength <= WHOLE_ANSWER_BYTES) this.#put({ ...head, kind: REPLY.ANSWER }, body);
      else if (!this.#held.hasRoom(body.byteLength))
        this.#put({ ...head, kind: REPLY.ANSWER, code: QUEUE_FULL, headerLength: JSON_BODY }, NO_ROOM);
      else {
        this.#putHead({ ...head, kind: REPLY.HEAD, bodyLength: body.byteLength });
        this.#held.hold(head, body);
        begun.push(head.requestId);
      }
    }
    this.#flush();
    for (const requestId of begun) this.#held.sendGranted(requestId);
    if (begun.length > 0) this.#flush();
  }

  #put(head: Omit<ReplyHead, "bodyLength">, body: Uint8Array): void {
    const isSmall = REPLY_HEADER + body.byteLength <= SMALL_BYTES;
    this.#putHead({ ...head, bodyLength: body.byteLength });
    if (!isSmall) {
      this.#flush();
      return this.#write(body);
    }
    this.#out.set(body, this.#outLength);
    this.#outLength += body.byteLength;
  }

  #putHead(head: ReplyHead): void {
    if (this.#outLength + SMALL_BYTES > this.#out.byteLength) this.#flush();
    writeReplyHead(new DataView(this.#out.buffer, this.#outLength, REPLY_HEADER), head);
    this.#outLength += REPLY_HEADER;
  }

  #flush(): void {
    this.#write(this.#out.subarray(0, this.#outLength));
    this.#outLength = 0;
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength;) at += writeSync(this.#fd, bytes, at, bytes.byteLength - at, null);
  }
}
