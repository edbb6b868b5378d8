/**
 * Entries by number, for a table that is filled and emptied all the time, such as the requests under way.
 *
 * A `Map` there keeps alive what it no longer holds: V8 links each outgrown table of a `Map` or `Set` to the next, so once
 * one has been moved to the old generation, all that the later ones ever held survives until a major collection.
 * Measured at a control plane under load: every request stayed, 2.6 KB of each were promoted, and a minor collection took
 * 10 instead of 2 ms. The dictionary of a plain object has no such links.
 */
export class ChurnMap<Value> {
  readonly #entries: Record<number, Value> = Object.create(null);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: number): Value | undefined {
    return this.#entries[key];
  }

  has(key: number): boolean {
    return key in this.#entries;
  }

  set(key: number, value: Value): void {
    if (!(key in this.#entries)) this.#size += 1;
    this.#entries[key] = value;
  }

  /** False when there was none. */
  delete(key: number): boolean {
    if (!(key in this.#entries)) return false;
    delete this.#entries[key];
    this.#size -= 1;
    return true;
  }

  /** Those that are there now, by rising key. Changes during a walk over them do not show in it. */
  entries(): (readonly [key: number, value: Value])[] {
    return Object.entries(this.#entries).map(([key, value]) => [Number(key), value] as const);
  }
}
