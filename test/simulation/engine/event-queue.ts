/** What happens when: a binary heap by time, ties in the order of their coming. The simulation's only clock. */
export class EventQueue {
  readonly #at: number[] = [];
  readonly #order: number[] = [];
  readonly #action: (() => void)[] = [];
  #count = 0;
  /** In ms since the start. */
  now = 0;

  after(delayMs: number, action: () => void): void {
    this.#at.push(this.now + delayMs);
    this.#order.push(this.#count++);
    this.#action.push(action);
    let index = this.#at.length - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  /** Lets everything happen that is due until `end`, in ms. */
  runUntil(end: number): void {
    while ((this.#at[0] ?? Infinity) <= end) {
      this.now = this.#at[0] ?? end;
      this.#takeFirst()();
    }
    this.now = end;
  }

  #takeFirst(): () => void {
    const action = this.#action[0] as () => void; // the caller looked: the heap is not empty
    this.#swap(0, this.#at.length - 1);
    this.#at.pop();
    this.#order.pop();
    this.#action.pop();
    for (let index = 0; ;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2])
        if (child < this.#at.length && this.#isBefore(child, least)) least = child;
      if (least === index) return action;
      this.#swap(index, least);
      index = least;
    }
  }

  #isBefore(one: number, other: number): boolean {
    const difference = (this.#at[one] ?? 0) - (this.#at[other] ?? 0);
    return difference === 0 ? (this.#order[one] ?? 0) < (this.#order[other] ?? 0) : difference < 0;
  }

  #swap(one: number, other: number): void {
    swap(this.#at, one, other);
    swap(this.#order, one, other);
    swap(this.#action, one, other);
  }
}

function swap<Item>(items: Item[], one: number, other: number): void {
  const kept = items[one] as Item; // both are indices of the heap
  items[one] = items[other] as Item;
  items[other] = kept;
}
