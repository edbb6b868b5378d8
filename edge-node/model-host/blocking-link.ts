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

const FIRST_CAPACITY = 64 * 1_024;
/** A buffer grown for one large request is given back after it. */
const KEPT_CAPACITY = 1_048_576;

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
  readonly #head = Buffer.allocUnsafeSlow(REPLY_HEADER);

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
    const head = readRequestHead(new DataView(this.#buffer.buffer, this.#start, REQUEST_HEADER));
    if (head.bodyLength > MAX_BODY_BYTES) throw new Error(`the agent sent a body of ${head.bodyLength} bytes`);
    if (!this.#fill(REQUEST_HEADER + head.bodyLength)) return undefined;
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
    this.#send(
      { kind: REPLY.EVENT, code: 0, requestId: 0, headerLength: 0, computeUs: 0, bodyLength: body.byteLength },
      body,
    );
  }

  answer(answer: Omit<ReplyHead, "kind" | "bodyLength">, body: Uint8Array): void {
    this.#send({ ...answer, kind: REPLY.ANSWER, bodyLength: body.byteLength }, body);
  }

  #send(head: ReplyHead, body: Uint8Array): void {
    writeReplyHead(new DataView(this.#head.buffer, this.#head.byteOffset, REPLY_HEADER), head);
    // One write for what fits a page or so: the agent then wakes once.
    if (body.byteLength <= 16_384) return this.#write(Buffer.concat([this.#head, body]));
    this.#write(this.#head);
    this.#write(body);
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength;) at += writeSync(this.#fd, bytes, at, bytes.byteLength - at, null);
  }
}
