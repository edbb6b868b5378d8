import { isEqual } from "./equal.ts";

/** One object of a list changed. `before` is undefined for a new one, `after` for one that is gone. */
export interface ListChange<Item> {
  readonly revision: number;
  readonly before: Item | undefined;
  readonly after: Item | undefined;
}

export interface ItemMessage<Item> {
  readonly event: "added" | "modified" | "deleted";
  readonly revision: number;
  /** As it is now; for `deleted`, as it was known last. */
  readonly item: Item;
}

/**
 * What changed in a list, found by comparing it with what it was. Each change has a revision, one more than the change
 * before. The newest changes are kept, `maxChanges` at most.
 */
export class ChangeLog<Item> {
  readonly #nameOf: (item: Item) => string;
  readonly #lasting: (item: Item) => unknown;
  readonly #maxChanges: number;
  #items = new Map<string, Item>();
  #changes: readonly ListChange<Item>[] = [];
  #revision = 0;

  constructor(parts: {
    readonly nameOf: (item: Item) => string;
    /** What of an item makes a change: all but ages and measured figures, which differ each second. */
    readonly lasting: (item: Item) => unknown;
    readonly maxChanges: number;
  }) {
    this.#nameOf = parts.nameOf;
    this.#lasting = parts.lasting;
    this.#maxChanges = parts.maxChanges;
  }

  /** Of the newest change; 0 before the first. */
  get revision(): number {
    return this.#revision;
  }

  names(): readonly string[] {
    return [...this.#items.keys()];
  }

  /** The object as it was at the last `update`. */
  get(name: string): Item | undefined {
    return this.#items.get(name);
  }

  /** The list is now `items`. True when that is a change. */
  update(items: readonly Item[]): boolean {
    const now = new Map(items.map((item) => [this.#nameOf(item), item]));
    const changes = [...now.values()].flatMap((item) => this.#changed(item) ?? []);
    for (const [name, before] of this.#items) if (!now.has(name)) changes.push({ before, after: undefined });
    this.#items = now;
    return this.#keep(changes);
  }

  /** The objects called `names` are now `items`; those without an item are gone, and all others as they were. True when that is a change. */
  updateSome(names: Iterable<string>, items: readonly Item[]): boolean {
    const now = new Map(items.map((item) => [this.#nameOf(item), item]));
    const changes = [...now.values()].flatMap((item) => this.#changed(item) ?? []);
    for (const [name, item] of now) this.#items.set(name, item);
    for (const name of names) {
      const before = this.#items.get(name);
      if (before === undefined || now.has(name)) continue;
      changes.push({ before, after: undefined });
      this.#items.delete(name);
    }
    return this.#keep(changes);
  }

  #changed(after: Item): Omit<ListChange<Item>, "revision"> | undefined {
    const before = this.#items.get(this.#nameOf(after));
    const isSame = before !== undefined && isEqual(this.#lasting(before), this.#lasting(after));
    return isSame ? undefined : { before, after };
  }

  #keep(changes: readonly Omit<ListChange<Item>, "revision">[]): boolean {
    const numbered = changes.map((change, at) => ({ revision: this.#revision + 1 + at, ...change }));
    this.#revision += changes.length;
    if (changes.length > 0) this.#changes = [...this.#changes, ...numbered].slice(-this.#maxChanges);
    return changes.length > 0;
  }

  /** At most `limit` changes that follow `revision`; undefined when not all of them are kept any more. */
  after(revision: number, limit: number): readonly ListChange<Item>[] | undefined {
    const first = this.#changes[0]?.revision ?? this.#revision + 1;
    const skip = revision - first + 1;
    return skip < 0 ? undefined : this.#changes.slice(skip, skip + limit);
  }
}

/** The change as one follower sees it, who sees only what is `visible`; undefined: not at all. */
export function messageOf<Item>(
  { revision, before, after }: ListChange<Item>,
  isVisible: (item: Item) => boolean,
): ItemMessage<Item> | undefined {
  const wasSeen = before !== undefined && isVisible(before);
  if (after !== undefined && isVisible(after)) return { event: wasSeen ? "modified" : "added", revision, item: after };
  // What a follower never saw it must not hear of either: not even that it is gone.
  return wasSeen ? { event: "deleted", revision, item: before } : undefined;
}
