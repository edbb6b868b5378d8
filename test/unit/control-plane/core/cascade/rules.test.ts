import { describe, expect, it } from "@jest/globals";
import { askedAfter, askedBefore, measureOf } from "../../../../../control-plane/core/cascade/rules.ts";

const doubt = { tokens: 8, meanLogprob: -1 };
const all = { doubt, promptCharacters: 100 };
const asked = (promptCharacters: number, wants?: "large" | "small") => ({ wants, promptCharacters });

describe("the rules of a cascade", () => {
  it("ask for the large model by a longer prompt than declared", () => {
    expect([100, 101].map((length) => askedBefore(all, asked(length)))).toEqual([undefined, "prompt"]);
    expect(askedBefore({}, asked(1_000_000))).toBeUndefined();
  });

  it("do what the caller asks for, whatever else is declared", () => {
    expect(askedBefore({}, asked(1, "large"))).toBe("header");
    expect(askedBefore(all, asked(101, "small"))).toBeUndefined();
    expect(measureOf(all, { wants: "small", asks: "text" })).toEqual({});
    expect(askedAfter(all, { wants: "small" }, { isDoubtful: true, isTooLong: true })).toBeUndefined();
  });

  it("ask for the large model when the small one is in doubt, where that is declared", () => {
    const found = { isDoubtful: true, isTooLong: false };
    expect(measureOf(all, { wants: undefined, asks: "text" })).toEqual({ text: doubt });
    expect(askedAfter(all, { wants: undefined }, found)).toBe("doubt");
    expect(askedAfter({}, { wants: undefined }, found)).toBeUndefined();
  });

  it("are of the scores of tensors where the model answers tensors", () => {
    const answer = { measure: "margin", threshold: 0.4 } as const;
    expect(measureOf({ answer }, { wants: undefined, asks: "tensors" })).toEqual({ tensors: answer });
    expect(measureOf({ answer }, { wants: "large", asks: "tensors" })).toEqual({});
    expect(askedAfter({ answer }, { wants: undefined }, { isDoubtful: true, isTooLong: false })).toBe("doubt");
  });

  it("take a prompt that does not fit the small model for a long one, where the length decides", () => {
    const found = { isDoubtful: false, isTooLong: true };
    expect(askedAfter(all, { wants: undefined }, found)).toBe("prompt");
    expect(askedAfter({ doubt }, { wants: undefined }, found)).toBeUndefined();
  });
});
