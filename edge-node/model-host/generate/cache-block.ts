import { freeBuffer } from "../../../shared/bytes/owned-bytes.ts";
import type { DecoderModel } from "../../../shared/text/decoder-model.ts";

/** Keys or values, or what else a graph computes. */
export type Numbers = Float32Array | Float16Array;
export type CacheShape = Pick<DecoderModel, "layers" | "heads" | "headSize" | "cacheType">;

/**
 * Room for so many tokens more than there are, as a part of them, in steps and within bounds. Each token of it is attended to
 * for nothing, and each time it is used up the block is copied: both took under 3 % of a token with these.
 */
const GROWTH = { part: 16, step: 8, least: 8, most: 64 } as const;

/** A row of a block, or the first `length` tokens of it. */
interface Source {
  readonly block: CacheBlock;
  readonly row: number;
  readonly length?: number;
}

/**
 * The cache of the texts that share a run, a row for each: for every layer the keys and the values, `[rows, heads, capacity,
 * headSize]`. The tokens of a row lie at the beginning of its room, and what follows them is masked; so rows of different
 * lengths need no moving when one of them becomes longer.
 *
 * What is moved is freed part by part, because the limit of a host has room for its cache once. A move that runs out of memory
 * leaves rows without tokens.
 */
export class CacheBlock {
  readonly shape: CacheShape;
  /** Tokens of each row. */
  #lengths: number[];
  #capacity: number;
  #parts: Numbers[] = [];

  /** Without its parts. */
  private constructor(shape: CacheShape, lengths: readonly number[], capacity: number) {
    this.shape = shape;
    this.#lengths = [...lengths];
    this.#capacity = capacity;
  }

  /** One row without tokens. */
  static empty(shape: CacheShape): CacheBlock {
    const block = new CacheBlock(shape, [0], 0);
    block.free();
    return block;
  }

  /** Copies of rows as one block, in their order, with room for `least` tokens each. */
  static of(rows: readonly Source[], least = 0): CacheBlock {
    const block = CacheBlock.#withoutParts(rows, least);
    for (let part = 0; part < 2 * block.shape.layers; part += 1) block.#parts.push(block.#copied(part, rows));
    return block;
  }

  /** Moves rows into blocks, one for each group of them, as `of` copies them. The blocks that they were in lose all tokens. */
  static move(groups: readonly (readonly Source[])[], least = 0): readonly CacheBlock[] {
    const moved = groups.map((rows) => ({ rows, block: CacheBlock.#withoutParts(rows, least) }));
    const sources = new Set(groups.flat().map(({ block }) => block));
    const layers = moved[0]?.block.shape.layers ?? 0;
    try {
      for (let part = 0; part < 2 * layers; part += 1) {
        for (const { rows, block } of moved) block.#parts.push(block.#copied(part, rows));
        for (const source of sources) freePart(source.#parts[part]);
      }
    } finally {
      for (const source of sources) source.free();
    }
    return moved.map(({ block }) => block);
  }

  static #withoutParts(rows: readonly Source[], least: number): CacheBlock {
    const [first] = rows;
    if (first === undefined) throw new Error("a block has at least one row");
    const lengths = rows.map(({ block, row, length = Infinity }) => Math.min(block.lengthOf(row), length));
    return new CacheBlock(first.block.shape, lengths, Math.max(least, ...lengths));
  }

  get rows(): number {
    return this.#lengths.length;
  }

  /** Tokens for which each row has room. */
  get capacity(): number {
    return this.#capacity;
  }

  get parts(): readonly Numbers[] {
    return this.#parts;
  }

  lengthOf(row: number): number {
    return this.#lengths[row] ?? 0;
  }

  /**
   * Forgets what follows the first `length` tokens of a row. Much room is not kept: the tokens of a short text after a long one
   * would each take as long as those of the long one.
   */
  truncate(row: number, length: number): void {
    this.#lengths[row] = Math.min(this.lengthOf(row), length);
    if (this.#capacity - Math.max(...this.#lengths) > GROWTH.most) this.fit();
  }

  /** Leaves no room behind its longest row. */
  fit(): void {
    if (Math.max(...this.#lengths) < this.#capacity) this.#layOut();
  }

  /**
   * Adds `count` tokens to each row: `added` has, in the order of `parts`, `[rows, heads, count, headSize]` of each. Without
   * `hasRoom` the block is exactly as long as its longest row. Throws, and adds nothing, when `added` has another length.
   */
  append(added: Numbers, count: number, { hasRoom }: { readonly hasRoom: boolean }): void {
    const { heads, headSize } = this.shape;
    const width = count * headSize;
    if (added.length !== this.#parts.length * this.rows * heads * width)
      throw new Error("the graph put out more or fewer keys and values than it declares");
    const needed = Math.max(...this.#lengths) + count;
    if (needed > this.#capacity) this.#layOut(hasRoom ? needed + roomFor(needed) : needed);
    let from = 0;
    for (const part of this.#parts)
      this.#lengths.forEach((length, row) => {
        for (let head = 0; head < heads; head += 1, from += width) {
          const at = ((row * heads + head) * this.#capacity + length) * headSize;
          part.set(added.subarray(from, from + width), at);
        }
      });
    this.#lengths.forEach((length, row) => (this.#lengths[row] = length + count));
  }

  /** Leaves its rows without tokens, and frees its memory. */
  free(): void {
    this.#parts.forEach(freePart);
    this.#parts = Array.from({ length: 2 * this.shape.layers }, () => numbers(this.shape, 0));
    this.#lengths.fill(0);
    this.#capacity = 0;
  }

  /** Gives each row room for `least` tokens, and for no more than the longest has. */
  #layOut(least = 0): void {
    const rows = this.#lengths.map((_, row) => ({ block: this, row }));
    const [moved] = CacheBlock.move([rows], least);
    if (moved === undefined) return;
    this.#parts = moved.#parts;
    this.#lengths = moved.#lengths;
    this.#capacity = moved.#capacity;
  }

  /** A part with the tokens of `rows`, which are those of this block. */
  #copied(part: number, rows: readonly Source[]): Numbers {
    const { heads, headSize } = this.shape;
    const copy = numbers(this.shape, rows.length * heads * this.#capacity * headSize);
    rows.forEach(({ block, row }, to) => {
      const all = block.#parts[part];
      const width = this.lengthOf(to) * headSize;
      for (let head = 0; all !== undefined && head < heads; head += 1) {
        const start = (row * heads + head) * block.#capacity * headSize;
        copy.set(all.subarray(start, start + width), (to * heads + head) * this.#capacity * headSize);
      }
    });
    return copy;
  }
}

const freePart = (part: Numbers | undefined): void => {
  if (part !== undefined) freeBuffer(part);
};

const numbers = ({ cacheType }: CacheShape, length: number): Numbers =>
  cacheType === "FP16" ? new Float16Array(length) : new Float32Array(length);

function roomFor(tokens: number): number {
  const { part, step, least, most } = GROWTH;
  return Math.min(most, Math.max(least, Math.ceil(tokens / part / step) * step));
}
