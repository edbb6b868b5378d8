/**
 * The tokens of a vocabulary by their bytes, as a tree: what tokens begin with alike is read once for all of them. Nodes are
 * numbers, each before those below it; 0 is the root.
 */
export class TokenTrie {
  /** Bytes of the longest token. */
  readonly longest: number;
  /** All tokens are below this. */
  readonly vocabulary: number;
  readonly #bytes: Uint8Array;
  /** The node that comes after all those below a node. */
  readonly #ends: Int32Array;
  /** The tokens in the order of the nodes; those of a node begin at its place in `#starts`. */
  readonly #order: Int32Array;
  readonly #starts: Int32Array;

  /** `texts`: the bytes of each token, a character for each byte; undefined for a token that writes nothing. */
  constructor(texts: readonly (string | undefined)[]) {
    const tokens = Map.groupBy(texts.keys(), (token) => texts[token] ?? "");
    tokens.delete("");
    const order: number[] = [];
    const bytes = [0];
    const ends = [0];
    const starts = [0];
    /** From the root to the last token. */
    const path = [0];
    const leave = (depth: number): void => {
      for (const node of path.splice(depth)) ends[node] = bytes.length;
    };
    let before = "";
    for (const text of [...tokens.keys()].toSorted()) {
      const same = sameBytes(before, text);
      leave(same + 1);
      for (let depth = same; depth < text.length; depth += 1) {
        path.push(bytes.length);
        bytes.push(text.charCodeAt(depth));
        ends.push(0);
        starts.push(order.length);
      }
      order.push(...(tokens.get(text) ?? []));
      before = text;
    }
    leave(0);
    this.#bytes = Uint8Array.from(bytes);
    this.#ends = Int32Array.from(ends);
    this.#starts = Int32Array.from([...starts, order.length]);
    this.#order = Int32Array.from(order);
    this.longest = tokens.keys().reduce((most, { length }) => Math.max(most, length), 0);
    this.vocabulary = texts.length;
  }

  /** The last byte of what leads to a node. */
  byteOf(node: number): number {
    return this.#bytes[node] ?? 0;
  }

  /** The node that follows it and all below it. Those below begin with the next number. */
  endOf(node: number): number {
    return this.#ends[node] ?? 0;
  }

  /** The tokens whose bytes lead to a node. */
  tokensOf(node: number): Int32Array {
    return this.#order.subarray(this.#starts[node], this.#starts[node + 1]);
  }
}

/** Some of the tokens of a vocabulary. */
export class TokenMask {
  readonly #words: Uint32Array;

  constructor(vocabulary: number) {
    this.#words = new Uint32Array(Math.ceil(vocabulary / 32));
  }

  get isEmpty(): boolean {
    return this.#words.every((word) => word === 0);
  }

  has(token: number): boolean {
    return (((this.#words[token >>> 5] ?? 0) >>> (token & 31)) & 1) === 1;
  }

  add(token: number): void {
    const at = token >>> 5;
    this.#words[at] = (this.#words[at] ?? 0) | (1 << (token & 31));
  }

  addTokens(tokens: Iterable<number>): void {
    for (const token of tokens) this.add(token);
  }

  /** Of the same vocabulary. */
  addAll(other: TokenMask): void {
    const words = other.#words;
    for (let at = 0; at < words.length; at += 1) this.#words[at] = (this.#words[at] ?? 0) | (words[at] ?? 0);
  }
}

function sameBytes(a: string, b: string): number {
  let same = 0;
  while (same < a.length && same < b.length && a.charCodeAt(same) === b.charCodeAt(same)) same += 1;
  return same;
}
