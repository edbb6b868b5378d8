import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { TextAssembler } from "../../../../../edge-node/model-host/text/text-assembler.ts";

/** A vocabulary of bytes: each is a token, and a character that is not whole is U+FFFD. */
const textOfBytes = (tokens: readonly number[]): string => Buffer.from(tokens).toString("utf8");
const pieces = (
  text: string | Uint8Array,
  how: { stops?: readonly string[]; trimsEnd?: boolean } = {},
): readonly string[] => {
  const assembler = new TextAssembler(textOfBytes, { stops: how.stops ?? [], trimsEnd: how.trimsEnd ?? false });
  return [...[...Buffer.from(text)].map((byte) => assembler.push(byte)), assembler.finish()];
};

describe("TextAssembler", () => {
  it.each([
    ["Latin", "Größe über alles, naïve café"],
    ["Greek", "Ελληνική Δημοκρατία"],
    ["Cyrillic", "Съешь же ещё этих мягких булок"],
    ["Arabic", "نص حكيم له سر قاطع"],
    ["Hebrew", "דג סקרן שט בים"],
    ["Devanagari", "ऋषियों को सताने वाले"],
    ["Thai", "เป็นมนุษย์สุดประเสริฐ"],
    ["Chinese", "一个边缘节点失去连接"],
    ["Korean", "키스의 고유조건은"],
    ["emoji", "👩‍👩‍👧‍👦 and 🇫🇷 of four bytes each"],
  ])("shows text in %s piece by piece without a broken character", (_, text) => {
    const shown = pieces(text);
    expect(shown.join("")).toBe(text);
    expect(shown.filter((piece) => piece.includes("\uFFFD"))).toEqual([]);
  });

  it.each(["naïve café", "Съешь", "เป็น", "一个边缘", "👩‍👩‍👧‍👦🇫🇷"])(
    "shows no part of a character where the tokens of %s end, wherever that is",
    (text) => {
      const bytes = Buffer.from(text);
      for (let length = 0; length <= bytes.length; length += 1) {
        const shown = pieces(bytes.subarray(0, length)).join("");
        expect(text.startsWith(shown)).toBe(true);
        expect(length - Buffer.byteLength(shown)).toBeLessThan(4);
      }
    },
  );

  it("shows bytes that never become a character as U+FFFD", () => {
    expect(pieces(Uint8Array.of(0x61, 0xc3, 0xc3, 0xc3, 0xc3, 0x62)).join("")).toMatch(/^a\uFFFD+b$/);
  });

  it("ends before the first stop text, of which no part is shown", () => {
    const shown = pieces("one two END three", { stops: ["END", "three"] });
    expect(shown.join("")).toBe("one two ");
    expect(shown.some((piece) => piece.includes("E"))).toBe(false);
  });

  it("shows what looked like a stop text when it is none", () => {
    expect(pieces("an ENgine and an EN", { stops: ["END"] }).join("")).toBe("an ENgine and an EN");
  });

  it("leaves out white space at the end of an answer in a format", () => {
    expect(pieces('{ "a": 1 }\n \n', { trimsEnd: true }).join("")).toBe('{ "a": 1 }');
    expect(pieces("a\n\n\n\nb", { trimsEnd: true, stops: ["\n\n\n\n"] }).join("")).toBe("a");
  });

  it("shows the text up to the stop text that is complete first, whatever the pieces", () => {
    const stop = fc.string({ minLength: 1, maxLength: 3, unit: fc.constantFrom("a", "b", "é", "界") });
    const text = fc.string({ maxLength: 40, unit: fc.constantFrom("a", "b", "é", "界") });
    fc.assert(
      fc.property(text, fc.array(stop, { maxLength: 3 }), (whole, stops) => {
        const complete = Array.from(whole, (_, at) => whole.slice(0, at + 1)).find((text) =>
          stops.some((each) => text.includes(each)),
        );
        const starts = stops.map((each) => complete?.indexOf(each) ?? -1).filter((at) => at !== -1);
        const expected = complete === undefined ? whole : complete.slice(0, Math.min(...starts));
        expect(pieces(whole, { stops }).join("")).toBe(expected);
      }),
    );
  });
});
