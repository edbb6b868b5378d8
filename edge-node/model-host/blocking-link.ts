import { readSync, writeSync } from "node:fs";
import { MAX_BODY_BYTES } from "../../shared/protocol/limits.ts";
import {
  type HostEvent,
  readRequestHead,
  REPLY,
  REPLY_HEADER,
  type ReplyHead,
  REQUEST_HEADER,
  type RequestHead,
  writeReplyHead,
} from "./link-frame.ts";

/** A request as it lies in the read buffer: untouched until the next call of `next`. */
export interface LinkRequest extends RequestHead {
  readonly body: Uint8Array;
}

/** An answer without its place in the protocol. */
export type LinkAnswer = Omit<ReplyHead, "kind" | "bodyLength"> & { readonly body: Uint8Array };

/** What one read can bring at most is what the kernel holds of a socket's stream: 208 KiB on Linux. */
const FIRST_CAPACITY = 256 * 1_024;
/** A buffer grown for one large request is given back after it. */
const KEPT_CAPACITY = 1_048_576;
/** Copied behind their heads; larger bodies are written as they lie. */
const SMALL_BYTES = 16_384;

/**
 * The host's end of the link. It blocks: the host has nothing else to do, and a blocking read wakes sooner than an event
 * loop (round trip 82–120 µs against 87–165 µs at the median in the same rounds; test/bench/host-hop.bench.ts).
 */
export class BlockingLink {
  readonly #fd: number;
  #buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  /** Bytes of `#buffer` between these two have been read from the socket and not been used. */
  #start = 0;
  #end = 0;
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Waits for a request; undefined when the agent has closed its end or is gone. */
  next(): LinkRequest | undefined {
    if (this.#start === this.#end && this.#buffer.byteLength > KEPT_CAPACITY) {
      this.#buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
      this.#start = this.#end = 0;
    }
    if (!this.#fill(REQUEST_HEADER)) return undefined;
    const head = this.#peek();
    if (head.bodyLength > MAX_BODY_BYTES) throw new Error(`the agent sent a body of ${head.bodyLength} bytes`);
    return this.#fill(REQUEST_HEADER + head.bodyLength) ? this.#take(head) : undefined;
  }

  /**
   * The next request if all of it has been read already, without waiting. One read brings what came while the last run
   * was on, so this is how requests that arrived together are found; a blocking descriptor cannot be asked for more.
   */
  ready(): LinkRequest | undefined {
    if (this.#end - this.#start < REQUEST_HEADER) return undefined;
    const head = this.#peek();
    return this.#end - this.#start < REQUEST_HEADER + head.bodyLength ? undefined : this.#take(head);
  }

  #peek(): RequestHead {
    return readRequestHead(new DataView(this.#buffer.buffer, this.#start, REQUEST_HEADER));
  }

  #take(head: RequestHead): LinkRequest {
    const from = this.#start + REQUEST_HEADER;
    this.#start = from + head.bodyLength;
    return { ...head, body: this.#buffer.subarray(from, this.#start) };
  }

  /** Reads until `bytes` unused bytes are there; false at the end of the stream. */
  #fill(bytes: number): boolean {
    if (this.#end - this.#start >= bytes) return true;
    if (this.#start + bytes > this.#buffer.byteLength) this.#makeRoom(bytes);
    while (this.#end - this.#start < bytes) {
      const count = readSync(this.#fd, this.#buffer, this.#end, this.#buffer.byteLength - this.#end, null);
      if (count === 0) return false;
      this.#end += count;
    }
    return true;
  }

  #makeRoom(bytes: number): void {
    const target = bytes > this.#buffer.byteLength ? Buffer.allocUnsafeSlow(bytes) : this.#buffer;
    this.#buffer.copy(target, 0, this.#start, this.#end);
    this.#buffer = target;
    this.#end -= this.#start;
    this.#start = 0;
  }

  tell(event: HostEvent): void {
    const body = Buffer.from(JSON.stringify(event));
    const head = { kind: REPLY.EVENT, code: 0, turn: 0, requestId: 0, headerLength: 0, computeUs: 0 };
    this.#write(Buffer.concat([headOf({ ...head, bodyLength: body.byteLength }), body]));
  }

  /** Small bodies go out in one write: the agent wakes once for a whole turn. */
  answer(answers: readonly LinkAnswer[]): void {
    let small: Uint8Array[] = [];
    for (const { body, ...answer } of answers) {
      small.push(headOf({ ...answer, kind: REPLY.ANSWER, bodyLength: body.byteLength }));
      if (body.byteLength <= SMALL_BYTES) {
        small.push(body);
        continue;
      }
      this.#write(Buffer.concat(small));
      this.#write(body);
      small = [];
    }
    if (small.length > 0) this.#write(Buffer.concat(small));
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength;) at += writeSync(this.#fd, bytes, at, bytes.byteLength - at, null);
  }
}

function headOf(head: ReplyHead): Buffer {
  const bytes = Buffer.allocUnsafe(REPLY_HEADER);
  writeReplyHead(new DataView(bytes.buffer, bytes.byteOffset, REPLY_HEADER), head);
  return bytes;
}
