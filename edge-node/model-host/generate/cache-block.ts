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
 */
export class CacheBlock {
  readonly shape: CacheShape;
  /** Tokens of each row. */
  readonly #lengths: number[];
  #capacity: number;
  #parts: readonly Numbers[];

  private constructor(shape: CacheShape, lengths: readonly number[], capacity: number, parts: readonly Numbers[]) {
    this.shape = shape;
    this.#lengths = [...lengths];
    this.#capacity = capacity;
    this.#parts = parts;
  }

  /** One row without tokens. */
  static empty(shape: CacheShape): CacheBlock {
    const parts = Array.from({ length: 2 * shape.layers }, () => numbers(shape, 0));
    return new CacheBlock(shape, [0], 0, parts);
  }

  /** Copies of rows as one block, in their order, with room for `least` tokens each. */
  static of(rows: readonly Source[], least = 0): CacheBlock {
    const [first] = rows;
    if (first === undefined) throw new Error("a block has at least one row");
    const lengths = rows.map(({ block, row, length = Infinity }) => Math.min(block.lengthOf(row), length));
    const block = new CacheBlock(first.block.shape, lengths, 0, []);
    block.#layOut(Math.max(least, ...lengths), rows);
    return block;
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
    const longest = Math.max(...this.#lengths);
    if (longest < this.#capacity) this.#layOut(longest, this.#ownRows());
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
    if (needed > this.#capacity) this.#layOut(hasRoom ? needed + roomFor(needed) : needed, this.#ownRows());
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

  #ownRows(): readonly Source[] {
    return this.#lengths.map((_, row) => ({ block: this, row }));
  }

  /** Copies the tokens of `rows`, which may be its own, into room for `capacity` tokens each. */
  #layOut(capacity: number, rows: readonly Source[]): void {
    const { heads, headSize, layers } = this.shape;
    const from = rows.map(({ block, row }) => ({ row, parts: block.#parts, capacity: block.#capacity }));
    const parts = Array.from({ length: 2 * layers }, (_, at) => {
      const part = numbers(this.shape, rows.length * heads * capacity * headSize);
      from.forEach((source, row) => {
        const all = source.parts[at];
        const width = this.lengthOf(row) * headSize;
        for (let head = 0; all !== undefined && head < heads; head += 1) {
          const start = (source.row * heads + head) * source.capacity * headSize;
          part.set(all.subarray(start, start + width), (row * heads + head) * capacity * headSize);
        }
      });
      return part;
    });
    this.#parts = parts;
    this.#capacity = capacity;
  }
}

const numbers = ({ cacheType }: CacheShape, length: number): Numbers =>
  cacheType === "FP16" ? new Float16Array(length) : new Float32Array(length);

function roomFor(tokens: number): number {
  const { part, step, least, most } = GROWTH;
  return Math.min(most, Math.max(least, Math.ceil(tokens / part / step) * step));
}
