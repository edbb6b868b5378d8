import { Tokenizer } from "@huggingface/tokenizers";

const UNFINISHED = "\uFFFD";
const TOKENS_AT_ONCE = 512;
/** Tokenizers of the kind `ByteLevel` name each byte by a character that can be seen: many by itself, the others by those from U+0100 on. */
const BYTE_NAMES = byteNames();

/** Texts and tokens of one model, by its `tokenizer.json`. */
export class DecoderTokenizer {
  readonly specialTexts: { readonly bos: string; readonly eos: string };
  readonly #tokenizer: Tokenizer;
  /** Texts that stand for one token each wherever they are, the longest first. */
  readonly #specials: readonly string[];
  /** Put before what is decoded: decoders treat the first token of a text in a way of its own. */
  readonly #anchor: number | undefined;
  readonly #isByteLevel: boolean;
  /** Its decoder does nothing else. */
  readonly #isBytesAlone: boolean;
  /** Tokens that were added to the vocabulary, special ones among them. */
  readonly #added: ReadonlySet<number>;
  /** What tokens write that came before, by `#bytesOf`. */
  readonly #known = new Map<number, string | undefined>();

  /** What `tokenizer.json` and `tokenizer_config.json` hold. */
  constructor(tokenizer: object, settings: object) {
    this.#tokenizer = new Tokenizer(tokenizer, settings);
    this.specialTexts = { bos: textIn(settings, "bos_token"), eos: textIn(settings, "eos_token") };
    this.#specials = [...this.#tokenizer.get_added_tokens_decoder().values()]
      .filter(({ special, content }) => special && content.length > 1)
      .map(({ content }) => content)
      .toSorted((a, b) => b.length - a.length);
    const decoder: unknown = "decoder" in tokenizer ? tokenizer.decoder : undefined;
    this.#isByteLevel = hasByteLevel(decoder);
    this.#isBytesAlone = isByteLevel(decoder);
    this.#added = new Set(this.#tokenizer.get_added_tokens_decoder().keys());
    this.#anchor = this.#tokenizer.encode("a", { add_special_tokens: false }).ids.at(-1);
  }

  /**
   * The tokens of a text. `hasSpecials`: what special tokens are called in it means those tokens, and nothing is added;
   * otherwise it is text like any other, and what the tokenizer puts before a text is added.
   */
  tokenize(text: string, { hasSpecials }: { readonly hasSpecials: boolean }): readonly number[] {
    if (hasSpecials) return this.#tokenizer.encode(text, { add_special_tokens: false }).ids;
    const [first = "", ...rest] = this.#asText(text);
    const { ids } = this.#tokenizer.encode(first);
    return [...ids, ...rest.flatMap((part) => this.#tokenizer.encode(part, { add_special_tokens: false }).ids)];
  }

  /**
   * What each token writes: a character for each of its bytes. Undefined for tokens that write nothing, such as special ones, and for
   * those of which it is not known. Takes a second for large vocabularies, in parts between which others go on.
   */
  async allBytes(): Promise<readonly (string | undefined)[]> {
    const added = this.#added;
    const count = 1 + [...this.#tokenizer.get_vocab().values(), ...added].reduce((a, b) => Math.max(a, b), -1);
    const texts: (string | undefined)[] = [];
    for (let token = 0; token < count; token += 1) {
      texts.push(added.has(token) ? undefined : this.#bytesOf(token));
      if (token % TOKENS_AT_ONCE === 0) await new Promise(setImmediate);
    }
    return texts;
  }

  #bytesOfAll(tokens: readonly number[]): string | undefined {
    let all = "";
    for (const token of tokens) {
      if (!this.#known.has(token)) this.#known.set(token, this.#added.has(token) ? undefined : this.#bytesOf(token));
      const bytes = this.#known.get(token);
      if (bytes === undefined) return undefined;
      all += bytes;
    }
    return all;
  }

  #bytesOf(token: number): string | undefined {
    const name = this.#tokenizer.id_to_token(token);
    if (name === undefined) return undefined;
    if (this.#isByteLevel) {
      const bytes = [...name].map((character) => BYTE_NAMES.get(character));
      return bytes.includes(undefined) ? undefined : String.fromCharCode(...bytes.map(Number));
    }
    const [, byte] = /^<0x([0-9A-F]{2})>$/.exec(name) ?? [];
    const text = this.textOf([token], []);
    // A part of a character has no text of its own.
    if (text.includes(UNFINISHED))
      return byte === undefined ? undefined : String.fromCharCode(Number.parseInt(byte, 16));
    return Buffer.from(text, "utf8").toString("latin1");
  }

  /** The text of tokens that follow `before`. */
  textOf(tokens: readonly number[], before: readonly number[]): string {
    // Nothing but bytes, one token behind the other: what came before changes none of them. The decoder would read all of it twice.
    const bytes = this.#isBytesAlone ? this.#bytesOfAll(tokens) : undefined;
    if (bytes !== undefined) return Buffer.from(bytes, "latin1").toString("utf8");
    const known = before.length > 0 || this.#anchor === undefined ? before : [this.#anchor];
    const all = this.#decoded([...known, ...tokens]);
    return all.slice(this.#decoded(known).length);
  }

  #decoded(tokens: readonly number[]): string {
    if (tokens.length === 0) return "";
    return this.#tokenizer.decode([...tokens], { skip_special_tokens: true, clean_up_tokenization_spaces: false });
  }

  /** The text in parts, none of which has the whole name of a special token: each is cut behind its first character. */
  #asText(text: string): readonly string[] {
    const cuts = new Set<number>();
    for (const special of this.#specials)
      for (let at = text.indexOf(special); at !== -1; at = text.indexOf(special, at + 1)) cuts.add(at + 1);
    const ends = [...cuts].toSorted((a, b) => a - b);
    return [0, ...ends].map((from, at) => text.slice(from, ends[at]));
  }
}

/** A special token in `tokenizer_config.json`: its text, or an object with it. Empty when there is none. */
function textIn(settings: object, name: string): string {
  const value: unknown = Object.entries(settings).find(([key]) => key === name)?.[1];
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || !("content" in value)) return "";
  return typeof value.content === "string" ? value.content : "";
}

const isByteLevel = (decoder: unknown): boolean =>
  typeof decoder === "object" && decoder !== null && "type" in decoder && decoder.type === "ByteLevel";

/** In `tokenizer.json`: one decoder, or several that follow each other. */
function hasByteLevel(decoder: unknown): boolean {
  if (isByteLevel(decoder)) return true;
  if (typeof decoder !== "object" || decoder === null) return false;
  return "decoders" in decoder && Array.isArray(decoder.decoders) && decoder.decoders.some(hasByteLevel);
}

function byteNames(): ReadonlyMap<string, number> {
  const names = new Map<string, number>();
  let unseen = 0;
  for (let byte = 0; byte < 256; byte += 1) {
    const isSeen = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    names.set(String.fromCharCode(isSeen ? byte : 0x100 + unseen), byte);
    if (!isSeen) unseen += 1;
  }
  return names;
}
