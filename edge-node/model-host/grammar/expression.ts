/** A set of texts in bytes. Made by `Expressions`, which makes each only once: equal ones are the same object. */
export type Expression = Common &
  (
    | { readonly kind: "nothing" }
    | { readonly kind: "empty" }
    | { readonly kind: "byte"; readonly allowed: ReadonlySet<number> }
    | { readonly kind: "sequence"; readonly first: Expression; readonly rest: Expression }
    | { readonly kind: "choice"; readonly options: readonly Expression[] }
    | { readonly kind: "repeat"; readonly item: Expression; readonly min: number; readonly max: number }
    | { readonly kind: "reference" }
  );

interface Common {
  readonly id: number;
  /** The empty text is one of them. */
  readonly isNullable: boolean;
  /** How deep a derivation goes down in it. */
  readonly depth: number;
  /** The bytes that a text of it begins with, a bit each; a reference may have fewer. */
  readonly starts: Uint32Array;
}

type Shape = Expression extends infer Each ? (Each extends Common ? Omit<Each, keyof Common> : never) : never;
export type Reference = Extract<Expression, { kind: "reference" }>;
export type Repeat = Extract<Expression, { kind: "repeat" }>;

/** Expressions that are known, and what follows them; beyond that they are forgotten, and made anew where they are needed. */
const MAX_KNOWN = 20_000;
/**
 * Steps that one piece of work may take: making a format, finding the tokens that may follow, reading one. At 0.2–0.5 µs a step
 * nobody else waits longer than a second.
 */
const MAX_WORK = 2_000_000;
/** Steps of making an expression: with its key it takes as long as so many look-ups. */
const MAKING = 10;
const ALL_BYTES = new Uint32Array(8).fill(0xffff_ffff);
const NO_BYTES = new Uint32Array(8);

/** Where several readings of a text are open at once, one within the other. Deeper ones are dropped. */
const MAX_DEPTH = 256;

/**
 * Makes expressions, and says what may follow each byte: the derivative of an expression. Derivatives are made as they are
 * needed and kept, so a text is read by one look-up a byte, and a schema costs nothing but what of it is written.
 */
export class Expressions {
  /** No text at all. */
  readonly nothing: Expression;
  /** The empty text. */
  readonly empty: Expression;
  #known = new Map<string, Expression>();
  #derivatives = new Map<Expression, (Expression | undefined)[]>();
  readonly #targets = new WeakMap<Reference, Expression>();
  #count = 0;
  #workLeft = Infinity;

  constructor() {
    this.nothing = this.#make({ kind: "nothing" }, { isNullable: false, depth: 0, starts: NO_BYTES });
    this.empty = this.#make({ kind: "empty" }, { isNullable: true, depth: 0, starts: NO_BYTES });
  }

  /** Whether it is time for `forget`. */
  get isFull(): boolean {
    return this.#derivatives.size > MAX_KNOWN || this.#known.size > MAX_KNOWN;
  }

  /** Frees what was kept. Expressions in use stay valid. */
  forget(): void {
    this.#known = new Map();
    this.#derivatives = new Map();
  }

  /** Begins a piece of work, which throws `RangeError` when it takes too many steps. */
  beginWork(): void {
    this.#workLeft = MAX_WORK;
  }

  /** Takes so many steps. Throws `RangeError` when they are too many. */
  work(steps: number): void {
    this.#workLeft -= steps;
    if (this.#workLeft < 0) throw new RangeError("it has too many texts, or they can be read in too many ways");
  }

  /** One byte of these. */
  byte(allowed: Iterable<number>): Expression {
    const sorted = [...new Set(allowed)].toSorted((a, b) => a - b);
    this.work(sorted.length);
    if (sorted.length === 0) return this.nothing;
    return this.#once(`b${sorted.join()}`, () => [
      { kind: "byte", allowed: new Set(sorted) },
      { isNullable: false, depth: 1, starts: bitsOf(sorted) },
    ]);
  }

  /** This text, in UTF-8. */
  text(text: string): Expression {
    return this.sequence(...[...new TextEncoder().encode(text)].map((byte) => this.byte([byte])));
  }

  /** One behind the other. */
  sequence(...parts: readonly Expression[]): Expression {
    return parts.reduceRight((rest, first) => this.#followed(first, rest), this.empty);
  }

  /** One of them. */
  choice(options: readonly Expression[]): Expression {
    const flat = new Set(options.flatMap((each) => (each.kind === "choice" ? each.options : [each])));
    flat.delete(this.nothing);
    const sorted = [...flat].toSorted((a, b) => a.id - b.id);
    const [only = this.nothing] = sorted;
    if (sorted.length <= 1) return only;
    const depth = 1 + Math.max(...sorted.map((each) => each.depth));
    if (depth > MAX_DEPTH) return this.nothing;
    return this.#once(`c${sorted.map(({ id }) => id).join()}`, () => [
      { kind: "choice", options: sorted },
      { isNullable: sorted.some((each) => each.isNullable), depth, starts: united(sorted) },
    ]);
  }

  optional(expression: Expression): Expression {
    return this.choice([expression, this.empty]);
  }

  /** `item`, which is never empty, so many times. */
  repeat(item: Expression, min: number, max = Infinity): Expression {
    if (item.isNullable) throw new Error("what is repeated has to be a text");
    if (max === 0) return this.empty;
    if (item === this.nothing) return min === 0 ? this.empty : this.nothing;
    if (min === 1 && max === 1) return item;
    return this.#once(`r${item.id},${min},${max}`, () => [
      { kind: "repeat", item, min, max },
      { isNullable: min === 0, depth: 1 + item.depth, starts: item.starts },
    ]);
  }

  /** Stands for what `define` says of it later, which is never empty and begins with no reference to itself. */
  reference(): Reference {
    const made = this.#make({ kind: "reference" }, { isNullable: false, depth: 1, starts: ALL_BYTES });
    if (made.kind !== "reference") throw new Error("a reference was made");
    return made;
  }

  define(reference: Reference, target: Expression): void {
    if (target.isNullable) throw new Error("what is referred to has to be a text");
    this.#targets.set(reference, target);
  }

  /** What may follow this byte, where it begins a text of the expression; else nothing. */
  after(expression: Expression, byte: number): Expression {
    if (!hasBit(expression.starts, byte)) return this.nothing;
    let row = this.#derivatives.get(expression);
    if (row === undefined) this.#derivatives.set(expression, (row = []));
    return (row[byte] ??= this.#derivative(expression, byte));
  }

  #derivative(of: Expression, byte: number): Expression {
    this.work(of.kind === "choice" ? of.options.length : 1);
    switch (of.kind) {
      case "nothing":
      case "empty":
        return this.nothing;
      case "byte":
        return of.allowed.has(byte) ? this.empty : this.nothing;
      case "sequence": {
        const later = this.#followed(this.after(of.first, byte), of.rest);
        return of.first.isNullable ? this.choice([later, this.after(of.rest, byte)]) : later;
      }
      case "choice":
        return this.choice(of.options.map((each) => this.after(each, byte)));
      case "repeat":
        return this.#followed(this.after(of.item, byte), this.repeat(of.item, Math.max(0, of.min - 1), of.max - 1));
      case "reference":
        return this.after(this.#targets.get(of) ?? this.nothing, byte);
    }
  }

  /** A sequence whose first part is none itself. */
  #followed(first: Expression, rest: Expression): Expression {
    if (first === this.nothing || rest === this.nothing) return this.nothing;
    if (rest === this.empty) return first;
    const parts: Expression[] = [];
    let last = first;
    for (; last.kind === "sequence"; last = last.rest) parts.push(last.first);
    if (last !== this.empty) parts.push(last);
    return parts.reduceRight((all, part) => this.#pair(part, all), rest);
  }

  #pair(first: Expression, rest: Expression): Expression {
    const depth = 1 + first.depth;
    if (depth > MAX_DEPTH) return this.nothing;
    return this.#once(`s${first.id},${rest.id}`, () => [
      { kind: "sequence", first, rest },
      {
        isNullable: first.isNullable && rest.isNullable,
        depth,
        starts: first.isNullable ? united([first, rest]) : first.starts,
      },
    ]);
  }

  #once(key: string, make: () => [Shape, Omit<Common, "id">]): Expression {
    let known = this.#known.get(key);
    if (known === undefined) this.#known.set(key, (known = this.#make(...make())));
    return known;
  }

  #make(shape: Shape, facts: Omit<Common, "id">): Expression {
    this.work(MAKING);
    return { ...shape, ...facts, id: (this.#count += 1) };
  }
}

const hasBit = (bits: Uint32Array, at: number): boolean => (((bits[at >>> 5] ?? 0) >>> (at & 31)) & 1) === 1;

function bitsOf(numbers: readonly number[]): Uint32Array {
  const bits = new Uint32Array(8);
  for (const at of numbers) bits[at >>> 5] = (bits[at >>> 5] ?? 0) | (1 << (at & 31));
  return bits;
}

function united(all: readonly Common[]): Uint32Array {
  const bits = new Uint32Array(8);
  for (const { starts } of all)
    for (let at = 0; at < bits.length; at += 1) bits[at] = (bits[at] ?? 0) | (starts[at] ?? 0);
  return bits;
}
