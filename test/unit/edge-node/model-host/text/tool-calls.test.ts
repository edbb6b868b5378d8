import { describe, expect, it } from "@jest/globals";
import { hasKnownCalls, ToolCallReader } from "../../../../../edge-node/model-host/text/tool-calls.ts";

/** What is read of an answer that comes in these pieces. */
function read(pieces: Iterable<string>) {
  const reader = new ToolCallReader();
  const found = [...Array.from(pieces, (piece) => reader.push(piece)), reader.finish()];
  return {
    text: found.map(({ text }) => text).join(""),
    calls: found.flatMap(({ calls }) => calls.map(({ name, arguments: given }) => [name, given])),
  };
}

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Zürich"}}\n</tool_call>';
const WEATHER = ["weather", '{"city":"Zürich"}'];

describe("ToolCallReader", () => {
  it.each([
    ["one call", CALL, { text: "", calls: [WEATHER] }],
    ["two calls", `${CALL}\n${CALL}`, { text: "", calls: [WEATHER, WEATHER] }],
    ["words before a call", `I look.\n\n${CALL}`, { text: "I look.", calls: [WEATHER] }],
    ["words after a call", `${CALL}\nThere.`, { text: "There.", calls: [WEATHER] }],
    ["a call without its end", CALL.slice(0, -"\n</tool_call>".length), { text: "", calls: [WEATHER] }],
    ["no arguments", '<tool_call>{"name": "now"}</tool_call>', { text: "", calls: [["now", "{}"]] }],
    [
      "arguments as a text",
      '<tool_call>{"name": "a", "arguments": "{}"}</tool_call>',
      { text: "", calls: [["a", "{}"]] },
    ],
    ["what is no JSON", "<tool_call>weather?</tool_call> x", { text: "<tool_call>weather?</tool_call> x", calls: [] }],
    ["what has no name", "<tool_call>{}</tool_call>", { text: "<tool_call>{}</tool_call>", calls: [] }],
    [
      "a name that no tool has",
      '<tool_call>{"name": "the weather"}</tool_call>',
      { text: '<tool_call>{"name": "the weather"}</tool_call>', calls: [] },
    ],
    ["what ends within a call", 'so <tool_call>{"name"', { text: 'so <tool_call>{"name"', calls: [] }],
    ["words that look like a tag", "a <tool and a <", { text: "a <tool and a <", calls: [] }],
    ["white space alone", " a\n\n b \n", { text: " a\n\n b \n", calls: [] }],
  ])("finds %s, however the answer is cut", (_, answer, expected) => {
    expect(read([answer])).toEqual(expected);
    expect(read(answer)).toEqual(expected);
    for (let at = 1; at < answer.length; at += 7)
      expect(read([answer.slice(0, at), answer.slice(at)])).toEqual(expected);
  });

  it("shows what is no call as it comes", () => {
    const reader = new ToolCallReader();
    expect(reader.push("The weather")).toEqual({ text: "The weather", calls: [] });
    expect(reader.push(" is <to")).toEqual({ text: " is", calls: [] });
    expect(reader.push("o hot>")).toEqual({ text: " <too hot>", calls: [] });
  });

  it("gives each call a name of its own", () => {
    const reader = new ToolCallReader();
    const ids = reader.push(CALL + CALL).calls.map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^call_[0-9a-f]{24}$/);
  });
});

describe("hasKnownCalls", () => {
  it.each([
    `{% if tools %}<tool_call>{"name": <function-name>, "arguments": <args-json-object>}</tool_call>{% endif %}`,
    String.raw`{% if tools %}{{ "<tool_call>\n{\"name\": <function-name>, \"arguments\": <args>}\n</tool_call>" }}{% endif %}`,
  ])("knows the template %s, which shows tools and writes calls in JSON between tags", (template) => {
    expect(hasKnownCalls(template)).toBe(true);
  });

  it.each([
    ["no tools", "{% for m in messages %}{{ m.content }}{% endfor %}"],
    ["other tags", `{% if tools %}[TOOL_CALLS][{"name": "", "arguments": {}}]{% endif %}`],
    ["XML between the tags", "{% if tools %}<tool_call>\n<function={{ call.name }}>{{ call.arguments }}{% endif %}"],
  ])("does not know a template with %s", (_, template) => {
    expect(hasKnownCalls(template)).toBe(false);
  });
});
