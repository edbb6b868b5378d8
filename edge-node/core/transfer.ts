import { MAX_BAD_COPIES } from "../../shared/protocol/limits.ts";
import type { ChunkRef } from "../../shared/protocol/model-files/manifest.ts";

export interface Need {
  /** Bit i is set when chunk i is missing, most significant bit first; base64url. */
  readonly chunks: string;
  readonly partial: { readonly chunk: number; readonly offset: number } | undefined;
}

/** What a frame means. `complete`: the chunk's last byte; verify it. `broken`: not what was asked for; close 4400. */
export type FrameVerdict = "written" | "complete" | "broken";

/** What the end of a round means. */
export type RoundVerdict = "all-here" | "again" | "hopeless";

/**
 * The receiver's half of a transfer: which chunks are missing, which bytes the next frame may carry, how often a chunk
 * arrived damaged. A round begins with a `need` and ends with the frame that carries END. Within it chunks ascend, and
 * the bytes of each come in order.
 */
export class TransferProgress {
  readonly #chunks: readonly ChunkRef[];
  readonly #missing: Set<number>;
  readonly #badCopies = new Map<number, number>();
  #partial: { readonly chunk: number; readonly offset: number } | undefined;
  #chunk = -1;
  #offset = 0;
  #received = 0;
  /** Bytes of complete chunks. */
  #hereBytes: number;
  readonly totalBytes: number;
  /** Bytes that were on this disk when the transfer began. */
  readonly reusedBytes: number;

  /** `present`: chunks whose SHA-256 is right already; `partial`: where the first missing one may go on. */
  constructor(
    chunks: readonly ChunkRef[],
    present: ReadonlySet<number>,
    partial: { readonly chunk: number; readonly offset: number } | undefined,
  ) {
    this.#chunks = chunks;
    this.#missing = new Set(chunks.filter(({ index }) => !present.has(index)).map(({ index }) => index));
    this.totalBytes = chunks.reduce((sum, { length }) => sum + length, 0);
    this.#hereBytes = chunks.reduce((sum, { index, length }) => sum + (present.has(index) ? length : 0), 0);
    this.#partial = isUsable(partial, chunks, this.#missing) ? partial : undefined;
    this.reusedBytes = this.#hereBytes + (this.#partial?.offset ?? 0);
  }

  get isComplete(): boolean {
    return this.#missing.size === 0;
  }

  get missing(): ReadonlySet<number> {
    return this.#missing;
  }

  /** Payload bytes that travelled, damaged copies included. */
  get receivedBytes(): number {
    return this.#received;
  }

  /** Bytes here, counting the chunk under way: what a progress bar shows. */
  get doneBytes(): number {
    return this.#hereBytes + (this.#missing.has(this.#chunk) ? this.#offset : (this.#partial?.offset ?? 0));
  }

  /** Begins a round. */
  need(): Need {
    this.#chunk = -1;
    this.#offset = 0;
    return { chunks: encodeBitmap(this.#missing, this.#chunks.length), partial: this.#partial };
  }

  frame(chunk: number, offset: number, length: number): FrameVerdict {
    const ref = this.#chunks[chunk];
    if (!ref || length === 0 || !this.#missing.has(chunk) || chunk < this.#chunk) return "broken";
    const start = chunk === this.#chunk ? this.#offset : this.#startOf(chunk);
    if (offset !== start || offset + length > ref.length) return "broken";
    this.#chunk = chunk;
    this.#offset = offset + length;
    this.#received += length;
    return this.#offset === ref.length ? "complete" : "written";
  }

  /** The chunk that just became complete has the right SHA-256, or not. */
  verified(chunk: number, { isGood }: { readonly isGood: boolean }): void {
    if (this.#partial?.chunk === chunk) this.#partial = undefined;
    if (!isGood) return this.#countBad(chunk);
    if (!this.#missing.delete(chunk)) return;
    this.#hereBytes += this.#chunks[chunk]?.length ?? 0;
  }

  /** The frame with END was handled. A chunk that was begun and not finished counts as a damaged copy. */
  endRound(): RoundVerdict {
    const ref = this.#chunks[this.#chunk];
    if (ref && this.#missing.has(this.#chunk) && this.#offset < ref.length) {
      this.#partial = undefined;
      this.#countBad(this.#chunk);
    }
    if (this.isComplete) return "all-here";
    return [...this.#badCopies.values()].some((copies) => copies >= MAX_BAD_COPIES) ? "hopeless" : "again";
  }

  #startOf(chunk: number): number {
    return this.#partial?.chunk === chunk ? this.#partial.offset : 0;
  }

  #countBad(chunk: number): void {
    this.#badCopies.set(chunk, (this.#badCopies.get(chunk) ?? 0) + 1);
  }
}

function isUsable(
  partial: { readonly chunk: number; readonly offset: number } | undefined,
  chunks: readonly ChunkRef[],
  missing: ReadonlySet<number>,
): boolean {
  if (!partial || partial.offset === 0) return false;
  const [first] = missing;
  return partial.chunk === first && partial.offset < (chunks[partial.chunk]?.length ?? 0);
}

/** `set` as a bitmap of `count` bits, bit 0 the most significant of the first byte; base64url. */
export function encodeBitmap(set: ReadonlySet<number>, count: number): string {
  const bits = new Uint8Array(Math.ceil(count / 8));
  for (const index of set) bits[index >> 3] = (bits[index >> 3] ?? 0) | (0x80 >> (index & 7));
  return Buffer.from(bits).toString("base64url");
}
