import type { Expression, Expressions, Repeat } from "./expression.ts";
import { TokenMask, type TokenTrie } from "./token-trie.ts";
import { withinRepeat, type Within } from "./within-repeat.ts";

const MAX_MASKS = 512;
const MAX_WITHIN = 64;
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
  readonly #starts = new Map<Expression, readonly number[]>();

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
    this.#all.beginWork();
    const mask = new TokenMask(this.#trie.vocabulary);
    this.#add(expression, mask);
    if (expression.isNullable) mask.addTokens(this.#ends);
    this.#masks.set(expression, mask);
    return mask;
  }

  #forget(): void {
    this.#all.forget();
    this.#masks.clear();
    if (this.#within.size > MAX_WITHIN) this.#within.clear();
    this.#starts.clear();
  }

  #add(expression: Expression, mask: TokenMask): void {
    this.#all.work(1);
    const { first, rest } = expression.kind === "sequence" ? expression : { first: expression, rest: this.#all.empty };
    if (first.kind === "repeat") return this.#addRepeat(expression, first, rest, mask);
    const apart = first.kind === "choice" ? first.options.filter((each) => this.#isReadApart(each)) : [];
    const isApart = new Set(apart);
    // Where 400 strings are possible each byte has 400 readings: what was found out about strings serves for each of them.
    for (const each of apart) this.#add(this.#all.sequence(each, rest), mask);
    if (first.kind !== "choice" || apart.length === 0) return this.#addBelow(expression, ROOT, mask);
    const together = this.#all.choice(first.options.filter((each) => !isApart.has(each)));
    this.#addBelow(this.#all.sequence(together, rest), ROOT, mask);
  }

  /** What begins with something repeated, or may be left out before something that does. */
  #isReadApart(option: Expression): boolean {
    this.#all.work(1);
    const first = option.kind === "sequence" ? option.first : option;
    if (first.kind === "choice") return first.options.some((each) => this.#isReadApart(each));
    return first.kind === "repeat" || first.kind === "empty";
  }

  /** `sequence`: `first` and behind it `rest`. */
  #addRepeat(sequence: Expression, first: Repeat, rest: Expression, mask: TokenMask): void {
    const within = this.#withinOf(first.item);
    const starts = this.#startsOf(rest);
    if (within === undefined || starts.some((byte) => within.begins.has(byte)))
      return this.#addBelow(sequence, ROOT, mask);
    mask.addAll(within.upTo(first.max));
    for (const byte of starts) {
      const exits = within.exits.get(byte) ?? [];
      this.#all.work(exits.length);
      for (const { node, items } of exits)
        if (items >= first.min && items <= first.max) this.#addFrom(this.#all.after(rest, byte), node, mask);
    }
    if (first.isNullable) this.#add(rest, mask);
  }

  /** The bytes that a text of the expression begins with. */
  #startsOf(expression: Expression): readonly number[] {
    let starts = this.#starts.get(expression);
    if (starts === undefined) {
      this.#all.work(BYTES.length);
      starts = BYTES.filter((byte) => this.#all.after(expression, byte) !== this.#all.nothing);
      this.#starts.set(expression, starts);
    }
    return starts;
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
