import { release, type OwnedBytes } from "../bytes/owned-bytes.ts";

/** How a streamed body ended. */
export type StreamEnd<Trailer> =
  | { readonly kind: "complete"; readonly trailer: Trailer }
  /** Not whole: `code` of the error catalog, and for a person why. */
  | { readonly kind: "failed"; readonly code: string; readonly detail: string }
  | { readonly kind: "cancelled" };

interface Options {
  /** Bytes of the whole body; undefined when they are not known before the end. */
  readonly length: number | undefined;
  /** Bytes that may be here unread: as many as the sender may send before the first grant. */
  readonly windowBytes: number;
  /** Tells the sender that it may send so many bytes more. */
  readonly grant: (bytes: number) => void;
}

/** A grant is a message of its own, so it is sent for a quarter of the window at once. */
const GRANTS_PER_WINDOW = 4;

/**
 * The receiving side of a response whose body comes in pieces: pieces in order, then exactly one end with the trailer.
 * What is here unread never exceeds the window, because credit is granted only for bytes that the reader has passed on.
 *
 *   open       pieces are pushed and read; `finish` → complete or failed, `fail` → failed, `cancel` → cancelled
 *   complete   what is buffered can still be read
 *   failed, cancelled   what was buffered is freed; `next` returns undefined at once
 *
 * The reader owns the pieces that it gets.
 */
export class ResponseStream<Trailer> {
  readonly length: number | undefined;
  /** Resolves once. Never rejects. */
  readonly ended: Promise<StreamEnd<Trailer>>;
  /**
   * What the sender said at its own end, which for a cancelled body comes after `ended`; undefined when it is gone without a
   * word. Resolves when `finish` or `fail` is called. Never rejects.
   */
  readonly senderEnd: Promise<Trailer | undefined>;
  readonly #grant: (bytes: number) => void;
  readonly #windowBytes: number;
  readonly #resolveEnd: (end: StreamEnd<Trailer>) => void;
  readonly #resolveSenderEnd: (trailer: Trailer | undefined) => void;
  #pieces: OwnedBytes[] = [];
  #end: StreamEnd<Trailer> | undefined;
  #receivedBytes = 0;
  #unreadBytes = 0;
  /** Received and not yet passed on, and passed on but not yet granted again. */
  #heldBytes = 0;
  #toGrantBytes = 0;
  #wake: (() => void) | undefined;

  constructor({ length, windowBytes, grant }: Options) {
    this.length = length;
    this.#windowBytes = windowBytes;
    this.#grant = grant;
    const { promise, resolve } = Promise.withResolvers<StreamEnd<Trailer>>();
    this.ended = promise;
    this.#resolveEnd = resolve;
    const sender = Promise.withResolvers<Trailer | undefined>();
    this.senderEnd = sender.promise;
    this.#resolveSenderEnd = sender.resolve;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Bytes that were received and that the reader has not passed on. At most the window. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** True while the sender has credit left: then its silence is its own. */
  get isSenderFree(): boolean {
    return this.#heldBytes + this.#toGrantBytes < this.#windowBytes;
  }

  /** Takes a piece, which it owns from now on. False when the sender breaks its credit or the length. */
  push(piece: OwnedBytes): boolean {
    const { byteLength } = piece;
    const isTooMuch =
      this.#heldBytes + this.#toGrantBytes + byteLength > this.#windowBytes ||
      (this.length !== undefined && this.#receivedBytes + byteLength > this.length);
    if (isTooMuch) return false;
    this.#receivedBytes += byteLength;
    if (this.#end !== undefined) {
      release(piece);
      return true;
    }
    this.#heldBytes += byteLength;
    this.#unreadBytes += byteLength;
    this.#pieces.push(piece);
    this.#wakeReader();
    return true;
  }

  /** No piece follows. A body shorter than its length is not complete. */
  finish(trailer: Trailer): void {
    if (this.length !== undefined && this.#receivedBytes !== this.length)
      return this.fail("NODE_LOST", `the body ended after ${this.#receivedBytes} of ${this.length} bytes`, trailer);
    this.#resolveSenderEnd(trailer);
    this.#become({ kind: "complete", trailer });
  }

  /** `trailer`: what the sender said all the same. */
  fail(code: string, detail: string, trailer?: Trailer): void {
    this.#resolveSenderEnd(trailer);
    this.#become({ kind: "failed", code, detail });
  }

  /** Nobody reads any more. False when it had ended already. */
  cancel(): boolean {
    return this.#become({ kind: "cancelled" });
  }

  /** The next piece; undefined when there is none any more: `ended` tells why. One call at a time. */
  async next(): Promise<OwnedBytes | undefined> {
    while (this.#pieces.length === 0 && this.#end === undefined)
      await new Promise<void>((resolve) => (this.#wake = resolve));
    const piece = this.#pieces.shift();
    if (piece) this.#unreadBytes -= piece.byteLength;
    return piece;
  }

  /** The reader has passed so many bytes on: the sender may send as many again. */
  passed(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#toGrantBytes += bytes;
    if (this.#end !== undefined || this.#toGrantBytes * GRANTS_PER_WINDOW < this.#windowBytes) return;
    if (this.#receivedBytes === this.length) return; // nothing is left that would need it
    const granted = this.#toGrantBytes;
    this.#toGrantBytes = 0;
    this.#grant(granted);
  }

  #become(end: StreamEnd<Trailer>): boolean {
    if (this.#end !== undefined) return false;
    this.#end = end;
    if (end.kind !== "complete") {
      for (const piece of this.#pieces.splice(0)) release(piece);
      this.#heldBytes -= this.#unreadBytes;
      this.#unreadBytes = 0;
    }
    this.#resolveEnd(end);
    this.#wakeReader();
    return true;
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
