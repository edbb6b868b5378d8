import type { Expression, Expressions, Repeat } from "./expression.ts";
import { TokenMask, type TokenTrie } from "./token-trie.ts";
import { withinRepeat, type Within } from "./within-repeat.ts";

/** Steps of one mask, which take some 100 ms; the first string takes a tenth of them. What takes more has too many readings. */
const MAX_WORK = 2_000_000;
const MAX_MASKS = 512;
const BYTES = Array.from({ length: 256 }, (_, byte) => byte);
const ROOT = 0;

/**
 * Which tokens may follow, by what may follow in bytes. Masks are kept by expression. Most of a vocabulary fits into a string, and
 * for those tokens what follows the string is the same: they are found once, and for each place only those that leave the
 * string are looked at.
 */
export class TokenMasks {
  readonly #all: Expressions;
  readonly #trie: TokenTrie;
  readonly #ends: readonly number[];
  readonly #masks = new Map<Expression, TokenMask>();
  readonly #within = new Map<Expression, Within | undefined>();

  /** `ends`: tokens that end a text, which may follow where it is whole. */
  constructor(all: Expressions, trie: TokenTrie, ends: readonly number[]) {
    this.#all = all;
    this.#trie = trie;
    this.#ends = ends;
  }

  /** Throws `RangeError` when too many readings are possible. */
  of(expression: Expression): TokenMask {
    const known = this.#masks.get(expression);
    if (known !== undefined) return known;
    if (this.#all.isFull || this.#masks.size >= MAX_MASKS) this.#forget();
    this.#all.limitWork(MAX_WORK);
    const mask = new TokenMask(this.#trie.vocabulary);
    this.#add(expression, mask);
    if (expression.isNullable) mask.addTokens(this.#ends);
    this.#masks.set(expression, mask);
    return mask;
  }

  #forget(): void {
    this.#all.forget();
    this.#masks.clear();
    this.#within.clear();
  }

  #add(expression: Expression, mask: TokenMask): void {
    if (expression.kind === "choice") for (const each of expression.options) this.#add(each, mask);
    else if (expression.kind === "sequence" && expression.first.kind === "repeat")
      this.#addRepeat(expression, expression.first, expression.rest, mask);
    else this.#addBelow(expression, ROOT, mask);
  }

  /** `sequence`: `first` and behind it `rest`. */
  #addRepeat(sequence: Expression, first: Repeat, rest: Expression, mask: TokenMask): void {
    const within = this.#withinOf(first.item);
    const starts = BYTES.filter((byte) => this.#all.after(rest, byte) !== this.#all.nothing);
    if (within === undefined || starts.some((byte) => within.begins.has(byte)))
      return this.#addBelow(sequence, ROOT, mask);
    mask.addAll(within.upTo(first.max));
    for (const byte of starts)
      for (const { node, items } of within.exits.get(byte) ?? [])
        if (items >= first.min && items <= first.max) this.#addFrom(this.#all.after(rest, byte), node, mask);
    if (first.isNullable) this.#add(rest, mask);
  }

  #withinOf(item: Expression): Within | undefined {
    if (!this.#within.has(item)) this.#within.set(item, withinRepeat(item, this.#all, this.#trie));
    return this.#within.get(item);
  }

  /** `expression`: what may follow the bytes of the node. */
  #addFrom(expression: Expression, node: number, mask: TokenMask): void {
    mask.addTokens(this.#trie.tokensOf(node));
    this.#addBelow(expression, node, mask);
  }

  #addBelow(expression: Expression, node: number, mask: TokenMask): void {
    const end = this.#trie.endOf(node);
    for (let below = node + 1; below < end; below = this.#trie.endOf(below)) {
      this.#all.work(1);
      const next = this.#all.after(expression, this.#trie.byteOf(below));
      if (next !== this.#all.nothing) this.#addFrom(next, below, mask);
    }
  }
}
