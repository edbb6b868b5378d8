/** A place for the tokens of one request, which keeps them until the next one takes it. */
interface Place<Item> {
  readonly item: Item;
  /** Counts what was returned: the place that is free longest is taken first. */
  readonly freeSince: number;
}

/** Tokens that are computed again rather than another conversation's place is taken: many prompts begin alike. */
const NEAR_TOKENS = 32;

/**
 * The places of a model's cache. A request takes the free one whose tokens agree with its prompt furthest, so that the
 * next turn of a conversation goes on where the last one ended; among those that agree nearly as far, the one that is free
 * longest. Requests that find none wait in their order.
 */
export class SequencePool<Item> {
  readonly #free: Place<Item>[];
  readonly #waiting: ((item: Item) => void)[] = [];
  #given = 0;

  constructor(items: readonly Item[]) {
    this.#free = items.map((item) => ({ item, freeSince: 0 }));
  }

  /** `agrees`: tokens of the prompt that a place holds already. */
  take(agrees: (item: Item) => number): Promise<Item> {
    const chosen = this.#best(agrees);
    if (chosen !== undefined) return Promise.resolve(chosen);
    return new Promise((take) => this.#waiting.push(take));
  }

  give(item: Item): void {
    const next = this.#waiting.shift();
    if (next !== undefined) return next(item);
    this.#given += 1;
    this.#free.push({ item, freeSince: this.#given });
  }

  #best(agrees: (item: Item) => number): Item | undefined {
    const tokens = this.#free.map(({ item }) => agrees(item));
    const enough = Math.max(...tokens) - NEAR_TOKENS;
    let best: { readonly at: number; readonly since: number } | undefined;
    for (const [at, { freeSince: since }] of this.#free.entries())
      if ((tokens[at] ?? 0) >= enough && (best === undefined || since < best.since)) best = { at, since };
    return best && this.#free.splice(best.at, 1)[0]?.item;
  }
}
