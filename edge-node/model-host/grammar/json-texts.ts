import type { Expression, Expressions, Reference } from "./expression.ts";

/** Digits before and behind a point, so that a number is neither endless nor rounded to an infinite one. */
const MOST_DIGITS = 15;
/** Of a second. */
const FRACTION_DIGITS = 9;
/** Spaces at the beginning of a line. */
const INDENT = 20;
const [SPACE, QUOTE, BACKSLASH, LAST_ASCII] = [0x20, 0x22, 0x5c, 0x7f] as const;

/** A character that is not ASCII, in UTF-8: ranges of its bytes. Halves of surrogate pairs are none. */
const LONGER: readonly (readonly (readonly [number, number])[])[] = [
  [
    [0xc2, 0xdf],
    [0x80, 0xbf],
  ],
  [
    [0xe0, 0xe0],
    [0xa0, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xe1, 0xec],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xed, 0xed],
    [0x80, 0x9f],
    [0x80, 0xbf],
  ],
  [
    [0xee, 0xef],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf0, 0xf0],
    [0x90, 0xbf],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf1, 0xf3],
    [0x80, 0xbf],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf4, 0xf4],
    [0x80, 0x8f],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
];

/** The texts of JSON values of each kind, as they are written: with at most one line break or space between two parts. */
export class JsonTexts {
  readonly #all: Expressions;
  readonly #quote: Expression;
  readonly #digit: Expression;
  /** Between a bracket or a comma and what follows it. */
  readonly #gap: Expression;
  readonly #colon: Expression;
  readonly #character: Expression;
  readonly integer: Expression;
  readonly number: Expression;
  readonly boolean: Expression;
  /** Any value. */
  readonly any: Reference;

  constructor(all: Expressions) {
    this.#all = all;
    const { text, sequence, choice, optional, repeat } = bound(all);
    this.#quote = text('"');
    this.#digit = this.#set("0123456789");
    this.#gap = choice([all.empty, text(" "), sequence(text("\n"), repeat(text(" "), 0, INDENT))]);
    this.#colon = sequence(text(":"), optional(text(" ")));
    this.#character = choice([all.byte(ascii()), this.#longer(new Set()), this.#escape()]);
    const whole = sequence(
      optional(text("-")),
      choice([text("0"), sequence(this.#set("123456789"), repeat(this.#digit, 0, MOST_DIGITS - 1))]),
    );
    this.integer = whole;
    this.number = sequence(
      whole,
      optional(sequence(text("."), repeat(this.#digit, 1, MOST_DIGITS))),
      optional(sequence(this.#set("eE"), optional(this.#set("+-")), repeat(this.#digit, 1, 2))),
    );
    this.boolean = choice([text("true"), text("false")]);
    this.any = all.reference();
    all.define(
      this.any,
      choice([
        this.object([], { key: this.string(), value: this.any }),
        this.array([], this.any),
        this.string(),
        this.number,
        this.boolean,
        text("null"),
      ]),
    );
  }

  /** `min`, `max`: characters. */
  string(min = 0, max = Infinity): Expression {
    return this.#quoted(this.#all.repeat(this.#character, min, max));
  }

  /** These items, and behind them as many of `more` as make `min` to `max` in all. */
  array(items: readonly Expression[], more: Expression, min = 0, max = Infinity): Expression {
    return this.#list(["[", "]"], items, { each: more, min, max });
  }

  /** These members in their order, and behind them as many of `more` as make at most `max` in all. */
  object(
    members: readonly (readonly [name: string, value: Expression])[],
    more: { readonly key: Expression; readonly value: Expression } | undefined,
    max = Infinity,
  ): Expression {
    const { sequence, text } = bound(this.#all);
    const written = members.map(([name, value]) => sequence(text(JSON.stringify(name)), this.#colon, value));
    const each = more === undefined ? this.#all.nothing : sequence(more.key, this.#colon, more.value);
    return this.#list(["{", "}"], written, { each, min: 0, max });
  }

  /** A name that is none of these. It has no escapes, so that no other spelling of one of them is taken for a new name. */
  nameBut(names: readonly string[]): Expression {
    const { sequence, choice, repeat } = bound(this.#all);
    const plain = choice([this.#all.byte(ascii()), this.#longer(new Set())]);
    const rest = sequence(repeat(plain, 0), this.#quote);
    /** `left`: what is left of the names that begin as what was written does. */
    const from = (left: readonly (readonly string[])[]): Expression => {
      const next = Map.groupBy(
        left.filter(({ length }) => length > 0),
        ([first = ""]) => first,
      );
      const begun = [...next].map(([first, those]) =>
        isPlain(first) ? sequence(this.#all.text(first), from(those.map((each) => each.slice(1)))) : this.#all.nothing,
      );
      const starts = new Set([...next.keys()].map((first) => new TextEncoder().encode(first)[0] ?? 0));
      const others = choice([this.#all.byte(ascii().filter((byte) => !starts.has(byte))), this.#longer(starts)]);
      const isName = left.some(({ length }) => length === 0);
      return choice([...begun, sequence(others, rest), isName ? this.#all.nothing : this.#quote]);
    };
    return sequence(this.#quote, from(names.map((name) => Array.from(name))));
  }

  /** As RFC 3339 has it, with days that there are. */
  formatted(format: "date" | "time" | "date-time"): Expression {
    const { sequence, text } = bound(this.#all);
    if (format === "date") return this.#quoted(this.#date());
    if (format === "time") return this.#quoted(this.#time());
    return this.#quoted(sequence(this.#date(), text("T"), this.#time()));
  }

  #quoted(inner: Expression): Expression {
    return this.#all.sequence(this.#quote, inner, this.#quote);
  }

  #list(
    [open, close]: readonly [string, string],
    first: readonly Expression[],
    { each, min, max }: { readonly each: Expression; readonly min: number; readonly max: number },
  ): Expression {
    const { sequence, repeat, text, optional } = bound(this.#all);
    const comma = sequence(text(","), this.#gap);
    const [least, most] = [Math.max(0, min - first.length), Math.max(0, max - first.length)];
    const begun = first.flatMap((item, at) => (at === 0 ? [item] : [comma, item]));
    const next = sequence(comma, each);
    const open_ = sequence(text(open), this.#gap);
    const end = text(close);
    if (first.length > 0) return sequence(open_, ...begun, repeat(next, least, most), this.#gap, end);
    if (most === 0) return least === 0 ? sequence(open_, end) : this.#all.nothing;
    const some = sequence(each, repeat(next, Math.max(0, least - 1), most - 1), this.#gap);
    return sequence(open_, least === 0 ? optional(some) : some, end);
  }

  #escape(): Expression {
    const { sequence, choice, text, repeat } = bound(this.#all);
    const hex = this.#set("0123456789abcdefABCDEF");
    const code = choice([
      sequence(this.#set("0123456789abcefABCEF"), repeat(hex, 3, 3)),
      sequence(this.#set("dD"), this.#set("01234567"), repeat(hex, 2, 2)),
    ]);
    return sequence(text("\\"), choice([this.#set('"\\/bfnrt'), sequence(text("u"), code)]));
  }

  /** A character that is not ASCII, and begins with none of these bytes. */
  #longer(but: ReadonlySet<number>): Expression {
    return this.#all.choice(
      LONGER.map((ranges) =>
        this.#all.sequence(
          ...ranges.map(([from, to], at) => this.#all.byte(range(from, to).filter((byte) => at > 0 || !but.has(byte)))),
        ),
      ),
    );
  }

  #date(): Expression {
    const { sequence, choice, text, repeat } = bound(this.#all);
    const upTo = (last: number): Expression => choice(range(1, last).map((day) => text(two(day))));
    const month = (...numbers: readonly number[]): Expression => choice(numbers.map((each) => text(two(each))));
    const four = range(0, 24).map((each) => two(4 * each));
    const fourth = choice(four.filter((each) => each !== "00").map(text));
    const leap = choice([sequence(repeat(this.#digit, 2, 2), fourth), sequence(choice(four.map(text)), text("00"))]);
    const day = choice([
      sequence(month(1, 3, 5, 7, 8, 10, 12), text("-"), upTo(31)),
      sequence(month(4, 6, 9, 11), text("-"), upTo(30)),
      sequence(text("02-"), upTo(28)),
    ]);
    return choice([sequence(repeat(this.#digit, 4, 4), text("-"), day), sequence(leap, text("-02-29"))]);
  }

  #time(): Expression {
    const { sequence, choice, text, repeat, optional } = bound(this.#all);
    const hour = choice(range(0, 23).map((each) => text(two(each))));
    const sixty = sequence(this.#set("012345"), this.#digit);
    const zone = choice([text("Z"), sequence(this.#set("+-"), hour, text(":"), sixty)]);
    const fraction = sequence(text("."), repeat(this.#digit, 1, FRACTION_DIGITS));
    return sequence(hour, text(":"), sixty, text(":"), sixty, optional(fraction), zone);
  }

  #set(characters: string): Expression {
    return this.#all.byte(Array.from(characters, (each) => each.charCodeAt(0)));
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);
const two = (number: number): string => String(number).padStart(2, "0");
/** What may be in a string as it is. */
const ascii = (): number[] => range(SPACE, LAST_ASCII).filter((byte) => byte !== QUOTE && byte !== BACKSLASH);
const isPlain = (character: string): boolean =>
  character !== '"' && character !== "\\" && character >= " " && character.isWellFormed();

/** The makers of expressions as functions of their own. */
const bound = (all: Expressions) => ({
  text: (text: string) => all.text(text),
  sequence: (...parts: readonly Expression[]) => all.sequence(...parts),
  choice: (options: readonly Expression[]) => all.choice(options),
  optional: (expression: Expression) => all.optional(expression),
  repeat: (item: Expression, min: number, max?: number) => all.repeat(item, min, max),
});
