import { describe, expect, it } from "@jest/globals";
import { DecoderTokenizer } from "../../../../../edge-node/model-host/generate/decoder-tokenizer.ts";
import { TextAssembler } from "../../../../../edge-node/model-host/text/text-assembler.ts";
import { TOKENS } from "../../../../support/models/tiny-alphabet.ts";
import { tinyDecoder } from "../../../../support/models/tiny-decoder.ts";

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
});
