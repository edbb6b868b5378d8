import { isSkerryError, messageOf, SkerryError } from "../../../shared/base/errors.ts";
import type { ResponseFormat } from "../../../shared/openai/requests.ts";
import { grammarSchema } from "../text/json-schema.ts";
import type { AnswerFormat } from "../text/text-runtime.ts";
import { type Expression, Expressions } from "./expression.ts";
import { JsonTexts } from "./json-texts.ts";
import { schemaTexts } from "./schema-grammar.ts";
import { TokenMasks } from "./token-masks.ts";
import { type TokenMask, TokenTrie } from "./token-trie.ts";

/** Schemas whose grammars are kept: those of a program are few, and come again. */
const MAX_KEPT = 32;

/** The formats that answers of one vocabulary can be kept to. */
export class AnswerFormats {
  readonly #texts: readonly (string | undefined)[];
  readonly #all = new Expressions();
  readonly #json = new JsonTexts(this.#all);
  readonly #masks: TokenMasks;
  readonly #kept = new Map<string, GrammarFormat>();

  /**
   * `texts`: the bytes of each token, a character for each byte; undefined for a token that writes nothing. `ends`: tokens that end
   * an answer, whatever they write.
   */
  constructor(texts: readonly (string | undefined)[], ends: ReadonlySet<number>) {
    this.#texts = texts.map((text, token) => (ends.has(token) ? undefined : text));
    this.#masks = new TokenMasks(this.#all, new TokenTrie(this.#texts), [...ends]);
  }

  /** Undefined for plain text. Throws `SkerryError` INVALID_REQUEST for what an answer cannot be kept to. */
  of(format: ResponseFormat): GrammarFormat | undefined {
    if (format.type === "text") return undefined;
    const schema = format.type === "json_object" ? { type: "object" } : format.json_schema.schema;
    const key = JSON.stringify(schema);
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const made = this.#made(schema);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(key, made);
    return made;
  }

  #made(schema: Readonly<Record<string, unknown>>): GrammarFormat {
    try {
      this.#all.beginWork();
      const texts = schemaTexts(grammarSchema(schema), this.#all, this.#json);
      if (this.#masks.of(texts).isEmpty) throw refused("no token of the model begins such a value");
      return new GrammarFormat(texts, { all: this.#all, masks: this.#masks, tokens: this.#texts });
    } catch (error) {
      if (isSkerryError(error)) throw error;
      throw refused(messageOf(error).slice(0, 300));
    }
  }
}

interface Grammar {
  readonly all: Expressions;
  readonly masks: TokenMasks;
  readonly tokens: readonly (string | undefined)[];
}

export class GrammarFormat implements AnswerFormat {
  readonly kind = "format";
  readonly #texts: Expression;
  readonly #grammar: Grammar;

  constructor(texts: Expression, grammar: Grammar) {
    this.#texts = texts;
    this.#grammar = grammar;
  }

  /** For one answer. */
  follow(): FormatFollower {
    return new FormatFollower(this.#texts, this.#grammar);
  }
}

/** Where one answer is in its format. */
export class FormatFollower {
  /** What may follow. */
  #rest: Expression;
  readonly #grammar: Grammar;

  constructor(texts: Expression, grammar: Grammar) {
    this.#rest = texts;
    this.#grammar = grammar;
  }

  /** It ends here. */
  get isOver(): boolean {
    return this.#rest === this.#grammar.all.empty;
  }

  /** The tokens that may follow, those that end it where it is whole among them. Throws `SkerryError` RUN_FAILED where that cannot be said. */
  allowed(): TokenMask {
    return this.#guarded(() => this.#grammar.masks.of(this.#rest));
  }

  /** A token was written, of those that may follow. Throws as `allowed` does. */
  take(token: number): void {
    const { all, tokens } = this.#grammar;
    const text = tokens[token] ?? "";
    // Another answer's work may have come to its end.
    all.beginWork();
    this.#guarded(() => {
      for (let at = 0; at < text.length; at += 1) this.#rest = all.after(this.#rest, text.charCodeAt(at));
    });
  }

  #guarded<Value>(work: () => Value): Value {
    try {
      return work();
    } catch (error) {
      throw new SkerryError("RUN_FAILED", `the answer cannot be kept to its format: ${messageOf(error)}`);
    }
  }
}

const refused = (why: string): SkerryError =>
  new SkerryError("INVALID_REQUEST", `\`response_format\` was refused: ${why}`);
