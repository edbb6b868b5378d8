import { describe, expect, it } from "@jest/globals";
import { formOf } from "../../../../../../edge-node/adapters/engine/openai/answer-forms.ts";
import type { JsonObject } from "../../../../../../edge-node/adapters/engine/openai/answer-chunk.ts";
import type { WantedAnswer } from "../../../../../../edge-node/adapters/engine/openai/openai-request.ts";

const WANTED: WantedAnswer = {
  api: "chat",
  model: "writer:2",
  streams: true,
  includesUsage: false,
  choices: 1,
  generate: undefined,
};
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const head = { id: "c-1", created: 7, model: "engine/name", object: "chat.completion.chunk" };

/** Fresh ones: a form may change what it is given. */
const chunks = (): JsonObject[] => [
  { ...head, choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] },
  { ...head, choices: [{ index: 0, delta: { content: "He" }, logprobs: { content: [1] }, finish_reason: null }] },
  { ...head, choices: [{ index: 0, delta: { content: "y" }, logprobs: { content: [2, 3] }, finish_reason: null }] },
  { ...head, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
  { ...head, choices: [], usage: USAGE },
];

function made(wanted: Partial<WantedAnswer>, all = chunks()): string {
  const form = formOf({ ...WANTED, ...wanted }, "2");
  return [...all.map((chunk) => form.chunk(chunk)), form.end()].join("");
}

const events = (text: string): readonly unknown[] =>
  text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => event.slice("data: ".length))
    .map((data) => (data === "[DONE]" ? data : (JSON.parse(data) as unknown)));

describe("the form of an answer", () => {
  it("is the engine's events with the caller's name of the model, and without the usage that was not asked for", () => {
    const found = events(made({}));
    expect(found).toHaveLength(5);
    expect(found.slice(0, 4)).toEqual(
      chunks()
        .slice(0, 4)
        .map((chunk) => ({ ...chunk, model: "writer:2" })),
    );
    expect(found.at(-1)).toBe("[DONE]");
  });

  it.each([
    ["in an event of its own", chunks()],
    [
      "in the last event of the choice",
      [...chunks().slice(0, 3), { ...head, choices: [{ index: 0, delta: {}, finish_reason: "stop" }], usage: USAGE }],
    ],
  ])("has the usage last, and null before it, when the engine says it %s", (_, all) => {
    const found = events(made({ includesUsage: true }, all));
    expect(found.slice(0, 4)).toEqual(Array.from({ length: 4 }, () => expect.objectContaining({ usage: null })));
    expect(found.slice(4)).toEqual([{ ...head, model: "writer:2", choices: [], usage: USAGE }, "[DONE]"]);
  });

  it("is one document for a caller who does not stream", () => {
    expect(JSON.parse(made({ streams: false }))).toEqual({
      ...head,
      object: "chat.completion",
      model: "writer:2",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Hey" },
          logprobs: { content: [1, 2, 3] },
          finish_reason: "stop",
        },
      ],
      usage: USAGE,
    });
  });

  it("puts the calls of tools together, and says null for a content that there is none of", () => {
    const call = (delta: object) => ({ ...head, choices: [{ index: 0, delta, finish_reason: null }] });
    const answer = JSON.parse(
      made({ streams: false }, [
        call({
          role: "assistant",
          tool_calls: [{ index: 0, id: "t-1", type: "function", function: { name: "look", arguments: "" } }],
        }),
        call({ tool_calls: [{ index: 0, function: { arguments: '{"at":' } }] }),
        call({ tool_calls: [{ index: 1, id: "t-2", type: "function", function: { name: "go", arguments: "{}" } }] }),
        call({ tool_calls: [{ index: 0, function: { arguments: '"sea"}' } }] }),
        { ...head, choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] },
      ]),
    ) as { choices: unknown[] };
    expect(answer.choices).toEqual([
      {
        index: 0,
        message: {
          role: "assistant",
          content: null,
          tool_calls: [
            { id: "t-1", type: "function", function: { name: "look", arguments: '{"at":"sea"}' } },
            { id: "t-2", type: "function", function: { name: "go", arguments: "{}" } },
          ],
        },
        logprobs: null,
        finish_reason: "tool_calls",
      },
    ]);
  });

  it("keeps the choices of a request apart, in their order", () => {
    const part = (index: number, text: string, reason: string | null) => ({
      ...head,
      choices: [{ index, text, finish_reason: reason }],
    });
    const all = [part(1, "x", null), part(0, "a", null), part(1, "y", "length"), part(0, "b", "stop")];
    const answer = JSON.parse(made({ api: "completion", streams: false, choices: 2 }, all)) as { choices: unknown[] };
    expect(answer).toMatchObject({
      object: "text_completion",
      choices: [
        { index: 0, text: "ab", finish_reason: "stop" },
        { index: 1, text: "xy", finish_reason: "length" },
      ],
    });
  });

  it("is that of the generate extension where that was asked", () => {
    const all = () => [
      { choices: [{ index: 0, text: "He", finish_reason: null }] },
      { choices: [{ index: 0, text: "y", finish_reason: "length" }] },
    ];
    const generate = { model: "writer", details: true };
    const document = { model_name: "writer", model_version: "2" };
    expect(events(made({ api: "completion", generate }, all()))).toEqual([
      { ...document, text_output: "He" },
      { ...document, text_output: "y" },
      { ...document, text_output: "", details: { finish_reason: "length" } },
    ]);
    expect(JSON.parse(made({ api: "completion", generate, streams: false }, all()))).toEqual({
      ...document,
      text_output: "Hey",
      details: { finish_reason: "length" },
    });
  });

  it("refuses an answer of more choices than any request asks for", () => {
    const form = formOf({ ...WANTED, streams: false }, "2");
    expect(() => {
      for (let index = 0; index < 100; index += 1) form.chunk({ choices: [{ index, delta: { content: "x" } }] });
    }).toThrow(RangeError);
  });

  it("keeps a field of any name as one of the answer, and changes no other object", () => {
    const chunk = JSON.parse(
      '{"__proto__":{"a":1},"choices":[{"index":0,"delta":{"content":"x","__proto__":{"b":2},"calls":{"__proto__":{"c":3}}},"finish_reason":"stop"}]}',
    ) as JsonObject;
    const answer = made({ streams: false }, [chunk]);
    expect(["a", "b", "c"].filter((name) => name in {})).toEqual([]);
    expect(answer).toContain('"__proto__":{"a":1}');
    expect(answer).toContain('"content":"x","__proto__":{"b":2},"calls":{"__proto__":{"c":3}}');
  });

  it.each([
    ["whole", {}],
    ["of the generate extension", { api: "completion", generate: { model: "writer", details: false } } as const],
  ])("refuses a text without an end, %s", (_, wanted) => {
    const form = formOf({ ...WANTED, ...wanted, streams: false }, "2");
    const text = "x".repeat(1_000_000);
    expect(() => {
      for (let each = 0; each < 100; each += 1) form.chunk({ choices: [{ index: 0, text, delta: { content: text } }] });
    }).toThrow(RangeError);
  });

  it.each([
    ["of the answer", (name: string, value: unknown) => ({ [name]: value, choices: [] })],
    ["of a choice", (name: string, value: unknown) => ({ choices: [{ index: 0, [name]: value }] })],
    ["of a message", (name: string, value: unknown) => ({ choices: [{ index: 0, delta: { [name]: value } }] })],
    [
      "of a list in a message",
      (name: string, value: unknown) => ({ choices: [{ index: 0, delta: { [name]: [value] } }] }),
    ],
    [
      "of the probabilities",
      (_: string, value: unknown) => ({ choices: [{ index: 0, logprobs: { content: [value] } }] }),
    ],
  ])("refuses an answer that grows by fields %s beyond all bounds", (_, chunkOf) => {
    const form = formOf({ ...WANTED, streams: false }, "2");
    const long = "x".repeat(1_000_000);
    expect(() => {
      for (let each = 0; each < 100; each += 1) form.chunk(chunkOf(`field-${each}`, { long }));
    }).toThrow(RangeError);
  });
});
