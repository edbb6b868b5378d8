import type { Expression, Expressions } from "./expression.ts";
import { TokenMask, type TokenTrie } from "./token-trie.ts";

const ROOT = 0;

/** The tokens that stay within something repeated, such as the characters of a string, whatever follows it. */
export interface Within {
  /** The tokens that need no more than so many items, the last of which may be cut. */
  upTo(items: number): TokenMask;
  /** Bytes that an item begins with. */
  readonly begins: ReadonlySet<number>;
  /** Where it may end: by a byte that begins no item, the nodes that this byte leads to behind so many items. */
  readonly exits: ReadonlyMap<number, readonly { readonly node: number; readonly items: number }[]>;
}

/**
 * Reads the whole vocabulary once, for any number of items. Undefined where an item may go on when it is whole, so that nobody can
 * say how many there were.
 */
export function withinRepeat(item: Expression, all: Expressions, trie: TokenTrie): Within | undefined {
  const repeated = all.repeat(item, 0);
  const tokens: number[][] = [];
  const begins = new Set<number>();
  const exits = new Map<number, { node: number; items: number }[]>();
  let isCountable = true;
  const walk = (expression: Expression, node: number, items: number): void => {
    const isBetween = expression === repeated;
    if (expression.isNullable && !isBetween) isCountable = false;
    const end = trie.endOf(node);
    for (let below = node + 1; below < end && isCountable; below = trie.endOf(below)) {
      all.work(1);
      const byte = trie.byteOf(below);
      const next = all.after(expression, byte);
      if (next === all.nothing) {
        if (isBetween && node !== ROOT) pushTo(exits, byte, { node: below, items });
        continue;
      }
      const begun = isBetween ? items + 1 : items;
      (tokens[begun] ??= []).push(...trie.tokensOf(below));
      walk(next, below, begun);
    }
  };
  walk(repeated, ROOT, 0);
  if (!isCountable) return undefined;
  for (let byte = 0; byte < 256; byte += 1) if (all.after(repeated, byte) !== all.nothing) begins.add(byte);
  const masks = new Map<number, TokenMask>();
  const upTo = (items: number): TokenMask => {
    const most = Math.min(items, tokens.length - 1);
    const known = masks.get(most);
    if (known !== undefined) return known;
    const mask = new TokenMask(trie.vocabulary);
    for (const some of tokens.slice(0, most + 1)) mask.addTokens(some ?? []);
    masks.set(most, mask);
    return mask;
  };
  return { upTo, begins, exits };
}

function pushTo<Item>(map: Map<number, Item[]>, key: number, item: Item): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [item]);
  else list.push(item);
}
