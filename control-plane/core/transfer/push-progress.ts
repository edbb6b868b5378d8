import type { ChunkRef } from "../../../shared/protocol/model-files/manifest.ts";

/** One frame to send: a part of a chunk. */
export interface NextFrame {
  readonly chunk: ChunkRef;
  /** The offset of the part in its chunk. */
  readonly offset: number;
  readonly length: number;
  /** Nothing follows in this round. */
  readonly end: boolean;
}

/**
 * The sender's half of a transfer: which bytes go next, and how many the node's credit allows. A round begins with the
 * node's `need`; within it the chunks ascend, and sent − durable ≤ window.
 */
export class PushProgress {
  readonly #maxPayload: number;
  #missing: readonly ChunkRef[] = [];
  #position = 0;
  #offset = 0;
  #sent = 0;
  #durable = 0;
  #window = 0;
  #totalSent = 0;

  /** `maxPayload`: the most that one message carries, in bytes. */
  constructor(maxPayload: number) {
    this.#maxPayload = maxPayload;
  }

  /** Payload bytes sent over all rounds. */
  get totalSent(): number {
    return this.#totalSent;
  }

  /** Bytes that this round still has to send. */
  get leftInRound(): number {
    const rest = this.#missing.slice(this.#position).reduce((sum, chunk) => sum + chunk.length, 0);
    return rest - this.#offset;
  }

  begin(
    missing: readonly ChunkRef[],
    partial: { readonly chunk: number; readonly offset: number } | undefined,
    window: number,
  ): void {
    this.#missing = missing;
    this.#position = 0;
    const [first] = missing;
    this.#offset = first && partial?.chunk === first.index && partial.offset < first.length ? partial.offset : 0;
    this.#sent = 0;
    this.#durable = 0;
    this.#window = window;
  }

  /** The node's word on what is on its disk. Figures that fall are late and ignored. */
  credit(durable: number, window: number): void {
    this.#durable = Math.max(this.#durable, Math.min(durable, this.#sent));
    this.#window = window;
  }

  /** The next frame inside the credit; undefined when the round is sent or the credit is used up. */
  next(): NextFrame | undefined {
    const chunk = this.#missing[this.#position];
    if (!chunk) return undefined;
    const credit = this.#window - (this.#sent - this.#durable);
    const length = Math.min(chunk.length - this.#offset, this.#maxPayload, Math.max(1, Math.floor(this.#window / 4)));
    if (credit < length) return undefined;
    const offset = this.#offset;
    this.#offset += length;
    this.#sent += length;
    this.#totalSent += length;
    if (this.#offset === chunk.length) {
      this.#position += 1;
      this.#offset = 0;
    }
    return { chunk, offset, length, end: this.#position === this.#missing.length };
  }
}

/** The chunks whose bit is set: bit i of the bitmap is chunk i, most significant bit first. Undefined when it names chunks that do not exist. */
export function chunksInBitmap(bitmap: Uint8Array, chunks: readonly ChunkRef[]): readonly ChunkRef[] | undefined {
  if (bitmap.length !== Math.ceil(chunks.length / 8)) return undefined;
  const isSet = (index: number): boolean => ((bitmap[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
  for (let index = chunks.length; index < bitmap.length * 8; index += 1) if (isSet(index)) return undefined;
  return chunks.filter(({ index }) => isSet(index));
}
