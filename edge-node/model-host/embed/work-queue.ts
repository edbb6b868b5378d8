/** One text of a request, in tokens. */
export interface Item<Owner> {
  readonly owner: Owner;
  readonly tokens: readonly number[];
  /** Its place among the texts of its request. */
  readonly index: number;
}

export interface RunLimits {
  readonly texts: number;
  /** With padding; one text alone may have more. */
  readonly tokens: number;
}

/** A text shares a run with one that is up to so many times as long: what is padded is computed for nothing. */
const LONGEST_BY = 1.25;
/** … or longer by so many tokens. */
const LONGER_BY = 8;

/**
 * Texts that wait for a run, by request. Requests take turns: in each run the next one's longest text is the first, and what
 * is nearly as long shares it, whosever it is. So a short request waits for one run of a long one, and nothing is padded much.
 */
export class WorkQueue<Owner> {
  /** In the order of their turns; of each its texts, the longest last. */
  readonly #waiting = new Map<Owner, Item<Owner>[]>();

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  add(owner: Owner, texts: readonly (readonly number[])[]): void {
    const items = texts.map((tokens, index) => ({ owner, tokens, index }));
    this.#waiting.set(
      owner,
      items.toSorted((a, b) => a.tokens.length - b.tokens.length || b.index - a.index),
    );
  }

  /** Nothing of it runs any more. */
  drop(owner: Owner): void {
    this.#waiting.delete(owner);
  }

  /** The texts of the next run, the longest first; empty when none waits. `limits`: of the request whose turn it is. */
  take(limitsOf: (owner: Owner) => RunLimits): readonly Item<Owner>[] {
    const [turn] = this.#waiting.keys();
    if (turn === undefined) return [];
    const limits = limitsOf(turn);
    const own = this.#waiting.get(turn) ?? [];
    const first = own.pop();
    this.#waiting.delete(turn);
    if (own.length > 0) this.#waiting.set(turn, own);
    if (first === undefined) return [];
    const run = [first];
    const { length } = first.tokens;
    const most = Math.min(limits.texts, Math.max(1, Math.floor(limits.tokens / length)));
    const least = Math.min(length / LONGEST_BY, length - LONGER_BY);
    for (const [owner, items] of this.#waiting) {
      const isAlone = owner !== turn && limitsOf(owner).texts === 1;
      if (!isAlone) takeFitting(items, run, { most, least, longest: length });
      if (items.length === 0) this.#waiting.delete(owner);
      if (run.length === most) break;
    }
    return run;
  }
}

function takeFitting<Owner>(
  items: Item<Owner>[],
  run: Item<Owner>[],
  { most, least, longest }: { readonly most: number; readonly least: number; readonly longest: number },
): void {
  let at = items.findLastIndex(({ tokens }) => tokens.length <= longest);
  const end = at;
  while (at >= 0 && run.length < most && (items[at]?.tokens.length ?? 0) >= least) {
    const item = items[at];
    if (item) run.push(item);
    at -= 1;
  }
  items.splice(at + 1, end - at);
}
