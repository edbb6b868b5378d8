/**
 * A map that is written in one place and handed out as values: what `value()` returned never changes, because the first
 * write after it copies the entries. Many writes between two reads cost one copy.
 */
export class ValueMap<Value> {
  #entries: Map<string, Value>;
  #isShared = false;

  constructor(entries: Map<string, Value> = new Map()) {
    this.#entries = entries;
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  keys(): MapIterator<string> {
    return this.#entries.keys();
  }

  values(): MapIterator<Value> {
    return this.#entries.values();
  }

  set(key: string, value: Value): void {
    this.#own().set(key, value);
  }

  delete(key: string): void {
    if (this.#entries.has(key)) this.#own().delete(key);
  }

  /** The entries as they are now, for good. */
  value(): ReadonlyMap<string, Value> {
    this.#isShared = true;
    return this.#entries;
  }

  #own(): Map<string, Value> {
    if (this.#isShared) this.#entries = new Map(this.#entries);
    this.#isShared = false;
    return this.#entries;
  }
}
