import { GEAR_TABLE } from "./gear-table.ts";

/** The name that manifests carry. Any change of a number below needs another name. */
export const CHUNKER = "gear-64k-256k-1m";

export const MIN_CHUNK_BYTES = 64 * 1024;
/** From here on cuts are easy: it keeps lengths near the mean. */
const NORMAL_CHUNK_BYTES = 256 * 1024;
export const MAX_CHUNK_BYTES = 1024 * 1024;

/** A 32-bit hash forgets a byte after 32 shifts, so no earlier byte can move a cut. */
const WINDOW_BYTES = 32;
const WARM_FROM = MIN_CHUNK_BYTES - WINDOW_BYTES;

/**
 * A cut needs this many leading zero bits. 19 and 16 give a mean of 268 KiB on random bytes (20 and 16, FastCDC's
 * level 2, give 292; one mask of 18 bits gives 311 with a far wider spread).
 */
const STRICT_MASK = -1 << (32 - 19);
const LOOSE_MASK = -1 << (32 - 16);

/**
 * Cuts a stream of bytes where its content says so: an insertion moves the cuts near it, and no others. Gear hash with
 * normalised chunking and a skipped minimum, after Xia et al., "FastCDC" (USENIX ATC 2016); 32 bits instead of 64,
 * because JavaScript has no fast 64-bit integers. A cut depends on the 32 bytes before it and on the distance to the
 * cut before, never on how the bytes were split into blocks.
 */
export class Chunker {
  /** Bytes seen, in all. */
  #offset = 0;
  /** Bytes since the last cut. */
  #length = 0;
  #hash = 0;

  /** Takes the next bytes. Returns the offsets in the stream at which chunks end, ascending. */
  push(block: Uint8Array): readonly number[] {
    const cuts: number[] = [];
    let at = 0;
    while (at < block.length) {
      const found = this.#untilCut(block, at);
      if (found.isCut) {
        cuts.push(this.#offset + found.at);
        this.#length = 0;
        this.#hash = 0;
      }
      at = found.at;
    }
    this.#offset += block.length;
    return cuts;
  }

  /** The end of the stream. Returns the last cut, or undefined when the last chunk has been cut already. */
  finish(): number | undefined {
    const last = this.#length > 0 ? this.#offset : undefined;
    this.#length = 0;
    this.#hash = 0;
    return last;
  }

  /** Walks from `from` to the next cut or to the block's end. */
  #untilCut(block: Uint8Array, from: number): Walk {
    const start = from - this.#length; // where the chunk began, as an index into this block; often negative
    const warmFrom = Math.min(block.length, Math.max(from, start + WARM_FROM));
    const strictFrom = this.#warm(block, warmFrom, start + MIN_CHUNK_BYTES - 1);
    let walk = this.#search(block, { from: strictFrom, to: start + NORMAL_CHUNK_BYTES - 1, mask: STRICT_MASK });
    if (!walk.isCut) walk = this.#search(block, { from: walk.at, to: start + MAX_CHUNK_BYTES, mask: LOOSE_MASK });
    this.#length = walk.at - start;
    return { at: walk.at, isCut: walk.isCut || this.#length === MAX_CHUNK_BYTES };
  }

  /** Hashes from `from` up to `to` without looking for a cut. Returns where it stopped. */
  #warm(block: Uint8Array, from: number, to: number): number {
    const end = Math.min(block.length, to);
    let at = from;
    for (; at < end; at += 1) this.#hash = ((this.#hash << 1) + (GEAR_TABLE[block[at] ?? 0] ?? 0)) | 0;
    return at;
  }

  /**
   * Hashes from `from` up to `to`, or past the byte after which the masked hash is 0. All the time goes into this loop:
   * a helper for the step, or the table as a module's constant, makes it three times slower (test/bench/chunker.ts).
   */
  #search(
    block: Uint8Array,
    { from, to, mask }: { readonly from: number; readonly to: number; readonly mask: number },
  ): Walk {
    const table = GEAR_TABLE;
    const end = Math.min(block.length, to);
    let hash = this.#hash;
    for (let at = from; at < end; at += 1) {
      hash = ((hash << 1) + (table[block[at] ?? 0] ?? 0)) | 0;
      if ((hash & mask) === 0) {
        this.#hash = hash;
        return { at: at + 1, isCut: true };
      }
    }
    this.#hash = hash;
    return { at: Math.max(from, end), isCut: false };
  }
}

interface Walk {
  /** Index into the block, behind the last byte taken. */
  readonly at: number;
  readonly isCut: boolean;
}
