import { release, type OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import { INITIAL_CREDIT_BYTES, MAX_ANSWER_BYTES } from "../../../shared/protocol/limits.ts";
import { ANSWER_CODES, PIECE_BYTES, REPLY, type ReplyHead } from "./link-frame.ts";

type Times = Pick<
  ReplyHead,
  "code" | "batchSize" | "requestId" | "headerLength" | "computeUs" | "decodeUs" | "encodeUs"
>;

interface StreamedResponse {
  readonly times: Times;
  readonly body: OwnedBytes;
  /** Goes with its end, whole or not. */
  readonly facts: Uint8Array;
  sentBytes: number;
  creditBytes: number;
}

/** Puts one reply on the link. */
type Send = (head: Omit<ReplyHead, "bodyLength">, body: Uint8Array) => void;

const CANCELLED = ANSWER_CODES.indexOf("CANCELLED");
const NOTHING = new Uint8Array(0);

/**
 * Responses that are sent in pieces: each holds its bytes until they have been granted, so that a caller who reads slowly
 * keeps no other answer from leaving. Together they hold at most `MAX_ANSWER_BYTES`; who finds no room is refused.
 */
export class StreamedResponses {
  readonly #send: Send;
  readonly #free: (body: OwnedBytes) => void;
  readonly #responses = new Map<number, StreamedResponse>();
  #heldBytes = 0;

  /** `free` is called with each body that nobody sends any more. */
  constructor(send: Send, free: (body: OwnedBytes) => void = release) {
    this.#send = send;
    this.#free = free;
  }

  hasRoom(bytes: number): boolean {
    return this.#heldBytes + bytes <= MAX_ANSWER_BYTES;
  }

  /** Owns `body` from now on. Its head is out; `sendGranted` sends what needs no grant. */
  hold(times: Times, body: OwnedBytes, facts: Uint8Array = NOTHING): void {
    this.#responses.set(times.requestId, { times, body, facts, sentBytes: 0, creditBytes: INITIAL_CREDIT_BYTES });
    this.#heldBytes += body.byteLength;
  }

  /** Does nothing for an answer that is out. */
  grant(requestId: number, bytes: number): void {
    const response = this.#responses.get(requestId);
    if (response === undefined) return;
    response.creditBytes += bytes;
    this.sendGranted(requestId);
  }

  /** Ends an answer that nobody reads any more. False when it is none of these. */
  cancel(requestId: number): boolean {
    const response = this.#responses.get(requestId);
    if (response === undefined) return false;
    this.#end(response, CANCELLED);
    return true;
  }

  /** Sends as many pieces as were granted, and the end behind the last one. */
  sendGranted(requestId: number): void {
    const response = this.#responses.get(requestId);
    if (response === undefined) return;
    const { times, body } = response;
    while (response.creditBytes > 0 && response.sentBytes < body.byteLength) {
      const bytes = Math.min(PIECE_BYTES, response.creditBytes, body.byteLength - response.sentBytes);
      this.#send({ ...times, kind: REPLY.PIECE }, body.subarray(response.sentBytes, response.sentBytes + bytes));
      response.sentBytes += bytes;
      response.creditBytes -= bytes;
    }
    if (response.sentBytes === body.byteLength) this.#end(response, times.code);
  }

  #end({ times, body, facts }: StreamedResponse, code: number): void {
    this.#responses.delete(times.requestId);
    this.#heldBytes -= body.byteLength;
    this.#send({ ...times, kind: REPLY.END, code }, facts);
    this.#free(body);
  }
}
