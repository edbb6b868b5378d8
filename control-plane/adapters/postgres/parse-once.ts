/** A schema's side that turns stored JSON into a value; zod schemas fit. */
interface Parser<Value> {
  parse(input: unknown): Value;
}

/**
 * Decodes JSON columns that are read again and again: a text that did not change since the last time gives the same
 * value, which is neither decoded nor checked anew.
 */
export class ParseOnce<Value> {
  readonly #parser: Parser<Value>;
  #before = new Map<string, { readonly text: string; readonly value: Value }>();
  #now = new Map<string, { readonly text: string; readonly value: Value }>();

  constructor(parser: Parser<Value>) {
    this.#parser = parser;
  }

  /** The value of the row `key`, whose column holds `text`. */
  get(key: string, text: string): Value {
    let entry = this.#now.get(key) ?? this.#before.get(key);
    if (entry?.text !== text) entry = { text, value: this.#parser.parse(JSON.parse(text)) };
    this.#now.set(key, entry);
    return entry.value;
  }

  /** Ends a pass over all rows: what it did not ask for is forgotten. */
  endPass(): void {
    this.#before = this.#now;
    this.#now = new Map();
  }
}
