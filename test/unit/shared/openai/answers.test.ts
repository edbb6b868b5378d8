import { describe, expect, it } from "@jest/globals";
import { StreamedAnswer, wholeAnswer } from "../../../../shared/openai/answers.ts";

const usage = { promptTokens: 7, outputTokens: 3, cachedTokens: 2 };
const facts = { id: "id-1", created: 1_700_000_000, model: 'm"1' };
const usageDocument = {
  prompt_tokens: 7,
  completion_tokens: 3,
  total_tokens: 10,
  prompt_tokens_details: { cached_tokens: 2 },
};

/** The data of the events; each is one line, and an empty line ends it. */
function dataOf(text: string): readonly unknown[] {
  expect(text.endsWith("\n\n")).toBe(true);
  return text
    .slice(0, -2)
    .split("\n\n")
    .map((event) => {
      expect(event).toMatch(/^data: [^\n]+$/);
      const data = event.slice("data: ".length);
      return data === "[DONE]" ? data : (JSON.parse(data) as unknown);
    });
}

const common = { id: "id-1", created: 1_700_000_000, model: 'm"1' };
const chunk = (choice: object, more: object = {}) => ({
  ...common,
  object: "chat.completion.chunk",
  choices: [{ index: 0, logprobs: null, ...choice }],
  ...more,
});

describe("StreamedAnswer", () => {
  const stream = (includesUsage: boolean): string => {
    const events = new StreamedAnswer({ api: "chat", ...facts }, { includesUsage });
    return [events.begin(0), events.text(0, 'a\n"é'), events.finish(0, "stop"), events.end(usage)].join("");
  };

  it("has a role, texts, a reason and an end, and no word of usage unless it was asked for", () => {
    expect(dataOf(stream(false))).toEqual([
      chunk({ delta: { role: "assistant", content: "" }, finish_reason: null }),
      chunk({ delta: { content: 'a\n"é' }, finish_reason: null }),
      chunk({ delta: {}, finish_reason: "stop" }),
      "[DONE]",
    ]);
  });

  it("has the usage in a chunk of its own without choices, and null in the others, when it was asked for", () => {
    const events = dataOf(stream(true));
    expect(events.slice(0, 3)).toEqual([
      chunk({ delta: { role: "assistant", content: "" }, finish_reason: null }, { usage: null }),
      chunk({ delta: { content: 'a\n"é' }, finish_reason: null }, { usage: null }),
      chunk({ delta: {}, finish_reason: "stop" }, { usage: null }),
    ]);
    expect(events.slice(3)).toEqual([
      { ...common, object: "chat.completion.chunk", choices: [], usage: usageDocument },
      "[DONE]",
    ]);
  });

  it("has texts without a role for a completion", () => {
    const events = new StreamedAnswer({ api: "completion", ...facts }, { includesUsage: false });
    const text = [events.begin(1), events.text(1, "x"), events.finish(1, "length"), events.end(usage)].join("");
    const choice = { index: 1, logprobs: null };
    expect(dataOf(text)).toEqual([
      { ...common, object: "text_completion", choices: [{ ...choice, text: "x", finish_reason: null }] },
      { ...common, object: "text_completion", choices: [{ ...choice, text: "", finish_reason: "length" }] },
      "[DONE]",
    ]);
  });
});

describe("wholeAnswer", () => {
  it("has every choice and the usage", () => {
    const choices = [
      { text: "a", reason: "stop" },
      { text: "b", reason: "length" },
    ] as const;
    expect(JSON.parse(wholeAnswer({ api: "chat", ...facts }, choices, usage))).toEqual({
      ...common,
      object: "chat.completion",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "a", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
        {
          index: 1,
          message: { role: "assistant", content: "b", refusal: null },
          logprobs: null,
          finish_reason: "length",
        },
      ],
      usage: usageDocument,
    });
  });
});
