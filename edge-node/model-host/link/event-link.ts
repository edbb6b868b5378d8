import { Socket } from "node:net";
import { INITIAL_CREDIT_BYTES } from "../../../shared/protocol/limits.ts";
import type { AnswerEnd } from "../../../shared/text/usage.ts";
import { UNKNOWN_LENGTH } from "../../../shared/protocol/frames/stream-frame.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import {
  ASK,
  type HostEvent,
  PIECE_BYTES,
  REPLY,
  REPLY_HEADER,
  type ReplyHead,
  type RequestHead,
  writeReplyHead,
} from "./link-frame.ts";
import { RequestReader } from "./request-reader.ts";

const NOTHING = new Uint8Array(0);
const QUIET = { code: 0, batchSize: 1, requestId: 0, headerLength: JSON_BODY, computeUs: 0, decodeUs: 0, encodeUs: 0 };
const MAX_U32 = 0xffff_ffff;

interface Handlers {
  /** `body` belongs to the receiver. */
  onRequest(requestId: number, body: Uint8Array, maxRows: number): void;
  onCancel(requestId: number): void;
  onCredit(requestId: number, bytes: number): void;
  /** The memory limit is another one from now on. */
  onLimit?(): void;
  /** The agent has closed its end or is gone. */
  onClosed(): void;
}

/**
 * The link of a host that runs several requests at once: what comes is read while a step is computed, so that a caller who
 * goes away is heard within it.
 */
export class EventLink {
  readonly #socket: Socket;

  constructor(fd: number, handlers: Handlers) {
    const reader = new RequestReader((head, body) => this.#take(head, body, handlers));
    this.#socket = new Socket({ fd, readable: true, writable: true });
    this.#socket.on("data", (chunk: Buffer) => reader.push(chunk));
    this.#socket.on("end", () => handlers.onClosed());
    this.#socket.on("error", () => handlers.onClosed());
  }

  sendEvent(event: HostEvent): void {
    this.#send({ ...QUIET, kind: REPLY.EVENT, batchSize: 0, headerLength: 0 }, Buffer.from(JSON.stringify(event)));
  }

  /** A part of an answer whose pieces its sender counts. A HEAD has the length of all in `bodyLength`, and no body. */
  reply(head: Pick<ReplyHead, "kind" | "requestId"> & Partial<ReplyHead>, body?: Uint8Array): void {
    if (body === undefined) this.#sendHead({ ...QUIET, bodyLength: 0, ...head });
    else this.#send({ ...QUIET, ...head }, body);
  }

  /** A whole answer. `code`: position in `ANSWER_CODES`. */
  answer(requestId: number, code: number, body: Uint8Array): void {
    this.#send({ ...QUIET, kind: REPLY.ANSWER, requestId, code }, body);
  }

  /** An answer begins whose length nobody knows yet. `isDoubtful`: its model is in doubt, as far as that was measured. */
  begin(requestId: number, { isDoubtful = false }: { readonly isDoubtful?: boolean } = {}): AnswerInPieces {
    const kind = isDoubtful ? REPLY.DOUBTFUL_HEAD : REPLY.HEAD;
    this.#sendHead({ ...QUIET, kind, requestId, bodyLength: UNKNOWN_LENGTH });
    return new AnswerInPieces((head, body) => this.#send({ ...QUIET, ...head, requestId }, body));
  }

  /** Resolves when what was sent has left, and closes. */
  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(() => resolve()));
  }

  #take({ kind, requestId, headerLength, maxRows }: RequestHead, body: Uint8Array, handlers: Handlers): void {
    if (kind === ASK.CANCEL) handlers.onCancel(requestId);
    else if (kind === ASK.CREDIT) handlers.onCredit(requestId, headerLength);
    else if (kind === ASK.LIMIT) handlers.onLimit?.();
    else handlers.onRequest(requestId, body, maxRows);
  }

  #send(head: Omit<ReplyHead, "bodyLength">, body: Uint8Array): void {
    this.#socket.cork();
    this.#sendHead({ ...head, bodyLength: body.byteLength });
    if (body.byteLength > 0) this.#socket.write(body);
    this.#socket.uncork();
  }

  #sendHead(head: ReplyHead): void {
    const bytes = Buffer.allocUnsafe(REPLY_HEADER);
    writeReplyHead(new DataView(bytes.buffer, bytes.byteOffset, REPLY_HEADER), head);
    this.#socket.write(bytes);
  }
}

type SendPiece = (head: Pick<ReplyHead, "kind"> & Partial<ReplyHead>, body: Uint8Array) => void;

/**
 * An answer that is made while it is sent, within the credit of its reader: its writer waits for room, so that a slow
 * reader holds up no other answer.
 */
export class AnswerInPieces {
  readonly #send: SendPiece;
  #creditBytes = INITIAL_CREDIT_BYTES;
  readonly #waiting: (() => void)[] = [];

  constructor(send: SendPiece) {
    this.#send = send;
  }

  /** Sends what is granted of `bytes`, at most one piece, and returns how much that was. */
  write(bytes: Uint8Array): number {
    const piece = bytes.subarray(0, Math.min(PIECE_BYTES, this.#creditBytes));
    if (piece.byteLength === 0) return 0;
    this.#send({ kind: REPLY.PIECE }, piece);
    this.#creditBytes -= piece.byteLength;
    return piece.byteLength;
  }

  grant(bytes: number): void {
    this.#creditBytes += bytes;
    this.wake();
  }

  /** Ends the waits of `granted`. */
  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves with the next grant, or after `wake`. */
  granted(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** `code`: position in `ANSWER_CODES`; 0 when all of it was sent. `facts` go with the end, as JSON. */
  end(code: number, computeUs: number, facts?: AnswerEnd): void {
    const body = facts === undefined ? NOTHING : Buffer.from(JSON.stringify(facts));
    this.#send({ kind: REPLY.END, code, computeUs: Math.min(MAX_U32, Math.round(computeUs)) }, body);
  }
}
