import { describe, expect, it } from "@jest/globals";
import { chatLogprobs, completionLogprobs } from "../../../../shared/openai/logprobs.ts";

const tokens = [
  {
    text: "é",
    logprob: -0.5,
    likely: [
      { text: "é", logprob: -0.5 },
      { text: "e", logprob: -1 },
    ],
  },
  { text: "\uFFFD", logprob: -2, likely: [] },
];

describe("chatLogprobs", () => {
  it("has each token with its bytes and the likeliest beside it; a part of a character has no bytes of its own", () => {
    expect(chatLogprobs(tokens)).toEqual({
      content: [
        {
          token: "é",
          logprob: -0.5,
          bytes: [0xc3, 0xa9],
          top_logprobs: [
            { token: "é", logprob: -0.5, bytes: [0xc3, 0xa9] },
            { token: "e", logprob: -1, bytes: [0x65] },
          ],
        },
        { token: "\uFFFD", logprob: -2, bytes: null, top_logprobs: [] },
      ],
      refusal: null,
    });
  });
});

describe("completionLogprobs", () => {
  it("has lists, and where in the answer each token begins", () => {
    expect(completionLogprobs(tokens, 7)).toEqual({
      tokens: ["é", "\uFFFD"],
      token_logprobs: [-0.5, -2],
      top_logprobs: [{ é: -0.5, e: -1 }, {}],
      text_offset: [7, 8],
    });
  });
});
