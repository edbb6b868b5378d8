import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { DecoderTokenizer } from "../../../../../edge-node/model-host/generate/decoder-tokenizer.ts";
import { TextAssembler } from "../../../../../edge-node/model-host/text/text-assembler.ts";
import { TOKENS } from "../../../../support/models/text/tiny-alphabet.ts";
import { tinyDecoder } from "../../../../support/models/text/tiny-decoder.ts";

const BYTE_TOKENS = 256;
const file = (name: string): object => JSON.parse(Buffer.from(tinyDecoder()[name] ?? "").toString("utf8")) as object;
const words = new DecoderTokenizer(file("tokenizer.json"), file("tokenizer_config.json"));
const named = (tokens: readonly number[]): readonly (string | undefined)[] => tokens.map((token) => TOKENS[token]);

describe("DecoderTokenizer", () => {
  it("takes the names of special tokens for those tokens only where the template writes them", () => {
    expect(named(words.tokenize("a</s>b", { hasSpecials: true }))).toEqual(["a", "</s>", "b"]);
    const text = named(words.tokenize("a</s>b", { hasSpecials: false }));
    expect(text).toEqual(["a", "<0x3C>", "<0x2F>", "s", "<0x3E>", "b"]);
  });

  it("reads the names of the tokens at both ends of a text", () => {
    expect(words.specialTexts).toEqual({ bos: "<s>", eos: "</s>" });
  });

  it.each([
    "Ein Hafen bei Nacht, größer als gedacht.",
    "Στο λιμάνι τη νύχτα",
    "Гавань ночью",
    "नाव रात में",
    "港は夜静かです",
    "밤의 항구",
    "الميناء ليلا",
    "נמל בלילה",
    "ท่าเรือยามค่ำคืน",
    "emoji 👩🏽‍🚀 and  two spaces",
  ])("writes %s piece by piece as it writes it whole", (text) => {
    const tokens = words.tokenize(text, { hasSpecials: false });
    const assembler = new TextAssembler((some, before) => words.textOf(some, before), { stops: [] });
    expect(tokens.map((token) => assembler.push(token)).join("") + assembler.finish()).toBe(text);
  });

  it("keeps the space before the first word of an answer", () => {
    const tokens = words.tokenize(" paris", { hasSpecials: false });
    expect(words.textOf(tokens, [])).toBe(" paris");
  });

  describe("of the kind ByteLevel", () => {
    const [whole, inParts] = [
      byteLevel({ type: "ByteLevel" }),
      byteLevel({ type: "Sequence", decoders: [{ type: "ByteLevel" }] }),
    ];

    it("makes of any tokens what the decoder makes of them, one after the other", () => {
      const token = fc.nat(BYTE_TOKENS + 1);
      // At the end of an answer U+FFFD is taken for the begin of a character whose rest never came, and left out.
      const texts = fc.string({ unit: "grapheme" }).filter((each) => !each.includes("\uFFFD"));
      fc.assert(
        fc.property(fc.array(token, { maxLength: 12 }), texts, (tokens, text) => {
          for (const some of [tokens, whole.tokenize(text, { hasSpecials: false })]) {
            const pieces = (by: DecoderTokenizer): string => {
              const assembler = new TextAssembler((each, before) => by.textOf(each, before), { stops: [] });
              return some.map((each) => assembler.push(each)).join("") + assembler.finish();
            };
            expect(whole.textOf(some, [])).toBe(inParts.textOf(some, []));
            if (some !== tokens) expect([pieces(whole), pieces(inParts)]).toEqual([text, text]);
          }
        }),
      );
    });

    it("says what each token writes, and that special ones write nothing", async () => {
      const bytes = await whole.allBytes();
      const each = Array.from({ length: BYTE_TOKENS }, (_, byte) => String.fromCharCode(byte));
      expect(new Set(bytes.slice(0, BYTE_TOKENS))).toEqual(new Set(each));
      expect(bytes.slice(BYTE_TOKENS)).toEqual([undefined]);
      expect(await inParts.allBytes()).toEqual(bytes);
    });
  });

  it("says what tokens write that are named otherwise", async () => {
    const bytes = await words.allBytes();
    const written = (name: string): string | undefined => bytes[TOKENS.indexOf(name)];
    expect([written("a"), written("▁"), written("<0xC3>"), written("<0x3C>"), written("</s>")]).toEqual([
      "a",
      " ",
      "\xc3",
      "<",
      undefined,
    ]);
  });
});

/** A token for each byte, named as GPT-2 and its descendants name them, and a special one. */
function byteLevel(decoder: object): DecoderTokenizer {
  const vocab = Object.fromEntries(byteNames().map((name, token) => [name, token]));
  const special = { id: BYTE_TOKENS, content: "<|end|>", special: true };
  const added = { single_word: false, lstrip: false, rstrip: false, normalized: false, ...special };
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return new DecoderTokenizer(
    {
      version: "1.0",
      added_tokens: [added],
      normalizer: null,
      pre_tokenizer: bytes,
      post_processor: null,
      decoder: { ...bytes, ...decoder },
      model: { type: "BPE", vocab, merges: [], unk_token: null, byte_fallback: false },
    },
    { eos_token: "<|end|>" },
  );
}

function byteNames(): readonly string[] {
  const seen = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  const all = Array.from({ length: BYTE_TOKENS }, (_, byte) => byte);
  const unseen = all.filter((byte) => !seen(byte));
  return [
    ...all.filter(seen).map((byte) => String.fromCharCode(byte)),
    ...unseen.map((_, at) => String.fromCharCode(256 + at)),
  ];
}
