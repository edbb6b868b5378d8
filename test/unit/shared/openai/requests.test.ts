import { describe, expect, it } from "@jest/globals";
import { cascadeOf, decodeAsked, decodeRequest } from "../../../../shared/openai/decode-request.ts";
import { openAiPath } from "../../../../shared/openai/http/path.ts";
import { openAiErrorResponse } from "../../../../shared/openai/errors.ts";
import { withDoubt } from "../../../../shared/openai/doubt.ts";
import { type TextApi, textQuestion } from "../../../../shared/openai/requests.ts";
import { isSkerryError } from "../../../../shared/base/errors.ts";

const messages = [{ role: "user", content: "hello" }];
const tools = [
  { type: "function", function: { name: "now", description: "The time", parameters: { type: "object" } } },
];
const call = { id: "call_1", type: "function", function: { name: "now", arguments: "{}" } };
const decode = (api: TextApi, request: object) => decodeRequest(api, Buffer.from(JSON.stringify(request)), "tenant");

/** The error as a client reads it. */
function refusal(api: TextApi, body: object | string) {
  try {
    decodeRequest(api, Buffer.from(typeof body === "string" ? body : JSON.stringify(body)), "tenant");
  } catch (error) {
    if (isSkerryError(error)) return openAiErrorResponse(error);
    throw error;
  }
  throw new Error("it was accepted");
}

describe("decodeRequest", () => {
  it.each([
    ["smollm", { model: "smollm", version: undefined }],
    ["smollm:champion", { model: "smollm", version: "champion" }],
    ["smollm:3", { model: "smollm", version: "3" }],
  ])("reads the model %s", (model, target) => {
    expect(decode("chat", { model, messages }).target).toEqual(target);
  });

  it("takes what the clients of the API send though it asks for nothing", () => {
    const neutral = {
      logprobs: false,
      top_logprobs: 0,
      logit_bias: {},
      tools: [],
      tool_choice: "none",
      modalities: ["text"],
      response_format: { type: "text" },
      n: 1,
      stop: null,
      temperature: null,
      stream: false,
      stream_options: null,
      store: false,
      service_tier: "auto",
    };
    expect(decode("chat", { model: "m", messages, ...neutral }).streams).toBe(false);
  });

  it("counts the characters of all messages and prompts", () => {
    const parts = [{ type: "text", text: "abc" }];
    const chat = [
      { role: "system", content: "be brief" },
      { role: "user", content: parts },
      { role: "assistant", content: null, tool_calls: [call] },
    ];
    expect(
      decode("chat", { model: "m", messages: [...chat, { role: "tool", content: "1", tool_call_id: "call_1" }] })
        .promptCharacters,
    ).toBe(12);
    expect(decode("completion", { model: "m", prompt: ["ab", "c"] }).promptCharacters).toBe(3);
  });

  it("reads what a caller wants of a cascade, and refuses what is neither", () => {
    expect([undefined, "large", "small"].map((value) => cascadeOf({ "skerry-cascade": value }))).toEqual([
      undefined,
      "large",
      "small",
    ]);
    expect(() => cascadeOf({ "skerry-cascade": "Large" })).toThrow("Skerry-Cascade must be `large` or `small`");
  });

  it("may be asked to measure doubt, without being read", () => {
    const { question } = decode("chat", { model: "m", messages });
    const measured = Buffer.concat(
      withDoubt([question.subarray(0, 5), question.subarray(5)], { tokens: 4, meanLogprob: -1 }),
    );
    expect(textQuestion.parse(JSON.parse(measured.toString("utf8")))).toEqual({
      ...textQuestion.parse(JSON.parse(Buffer.from(question).toString("utf8"))),
      doubt: { tokens: 4, meanLogprob: -1 },
    });
  });

  it("names the fields that change nothing", () => {
    const sent = decode("chat", { model: "m", messages, user: "u-1", metadata: { a: "b" }, seed: 1 });
    expect(sent.ignored).toEqual(["user", "metadata"]);
  });

  it.each([
    [
      "the key of the cache",
      { prompt_cache_key: "k" },
      { prompt_cache_key: "k", messages: [messages[0], messages[0]] },
    ],
    [
      "the messages up to the user's first one",
      {},
      { messages: [...messages, { role: "assistant", content: "a" }, ...messages] },
    ],
  ])("finds requests of one session by %s", (_, one, other) => {
    const sessionOf = (request: object) => decode("chat", { model: "m", messages, ...request }).session;
    expect(sessionOf(other)).toBe(sessionOf(one));
    const foreign = { messages: [{ role: "system", content: "be short" }, ...messages] };
    expect(sessionOf({ ...foreign, ...("prompt_cache_key" in one && { prompt_cache_key: "l" }) })).not.toBe(
      sessionOf(one),
    );
  });

  it("finds completions of one session by the beginning of their prompts", () => {
    const sessionOf = (prompt: string | string[]) => decode("completion", { model: "m", prompt }).session;
    const beginning = "b".repeat(256);
    expect(sessionOf(`${beginning} more`)).toBe(sessionOf([`${beginning} other`, "second"]));
    expect(sessionOf(`a${beginning}`)).not.toBe(sessionOf(beginning));
  });

  it("takes tools, their calls and their answers", () => {
    const turns = [
      ...messages,
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: "call_1", content: "noon" },
    ];
    expect(() => decode("chat", { model: "m", messages: turns, tools, tool_choice: "auto" })).not.toThrow();
    const none = { tools, tool_choice: "none", response_format: { type: "json_object" } };
    expect(() => decode("chat", { model: "m", messages, ...none })).not.toThrow();
  });

  it("takes content in parts of text", () => {
    const parts = [
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
    ];
    expect(() => decode("chat", { model: "m", messages: parts })).not.toThrow();
  });

  it.each([
    ["an unknown field", { temprature: 1 }, "temprature", /`temprature` is not a known field; known are `model`/],
    ["a temperature beyond 2", { temperature: 3 }, "temperature", /must be at most 2/],
    ["a tool without a function", { tools: [{ type: "function" }] }, "tools.0.function", /is missing/],
    [
      "a tool that is kept to its parameters",
      { tools: [{ type: "function", function: { name: "now", strict: true } }] },
      "tools.0.function.strict",
      /not kept to the parameters/,
    ],
    ["a tool that must be called", { tool_choice: "required" }, "tool_choice", /is not made to call a tool/],
    ["tools beside a format", { tools, response_format: { type: "json_object" } }, "response_format", /beside `tools`/],
    ["tools beside logprobs", { tools, logprobs: true }, "logprobs", /beside `tools`/],
    [
      "a tool's answer to no call",
      { messages: [{ role: "tool", content: "x" }] },
      "messages.0.tool_call_id",
      /is missing: it names the call/,
    ],
    ["a message without content", { messages: [{ role: "user", content: null }] }, "messages.0.content", /is missing/],
    [
      "a call of the user",
      { messages: [{ role: "user", content: "x", tool_calls: [call] }] },
      "messages.0.tool_calls",
      /is for messages of the assistant/,
    ],
    ["likely tokens without logprobs", { top_logprobs: 2 }, "top_logprobs", /for requests with `logprobs: true`/],
    ["more likely tokens than are told", { logprobs: true, top_logprobs: 21 }, "top_logprobs", /must be at most 20/],
    ["a bias", { logit_bias: { 5: 100 } }, "logit_bias", /is not served/],
    ["no token at all", { max_tokens: 0 }, "max_tokens", /must be at least 1/],
    ["too many choices", { n: 9 }, "n", /must be at most 8/],
    [
      "usage without a stream",
      { stream_options: { include_usage: true } },
      "stream_options",
      /for requests with `stream: true`/,
    ],
    ["no message", { messages: [] }, "messages", /at least 1 item/],
    [
      "a role that is not served",
      { messages: [{ role: "function", content: "x" }] },
      "messages.0.role",
      /must be `system`/,
    ],
    ["a stored answer", { store: true }, "store", /nothing is stored/],
  ])("refuses %s with the name of the field", (_, change, param, message) => {
    const { status, body } = refusal("chat", { model: "m", messages, ...change });
    expect(status).toBe(400);
    expect(body.error).toEqual({
      message: expect.stringMatching(message),
      type: "invalid_request_error",
      param,
      code: "INVALID_REQUEST",
    });
  });

  it.each([
    ["an echo", { echo: true }, "echo"],
    ["a suffix", { suffix: "x" }, "suffix"],
    ["the best of several", { best_of: 2 }, "best_of"],
    ["token ids", { prompt: [1, 2] }, "prompt"],
    ["more choices of all prompts together than of one", { prompt: ["a", "b", "c"], n: 3 }, "n"],
  ])("refuses %s of a completion", (_, change, field) => {
    expect(refusal("completion", { model: "m", prompt: "x", ...change }).body.error.param).toMatch(
      new RegExp(`^${field}`),
    );
  });

  it("takes several choices of several prompts while they are 8 together", () => {
    expect(() => decode("completion", { model: "m", prompt: ["a", "b"], n: 4 })).not.toThrow();
    expect(refusal("completion", { model: "m", prompt: ["a", "b"], n: 5 }).body.error.message).toMatch(
      /times the number of prompts must be at most 8/,
    );
  });

  it.each(["", "{", "[]", '{"model":"m","model":"n","messages":[]}', '"text"'])("refuses the body %j", (body) => {
    expect(refusal("chat", body).status).toBe(400);
  });
});

describe("decodeAsked", () => {
  const at = (path: string) => {
    const meant = openAiPath(path);
    if (meant?.kind !== "ask" && meant?.kind !== "generate") throw new Error(`nothing is asked at ${path}`);
    return (body: object) => decodeAsked(meant, Buffer.from(JSON.stringify(body)), "tenant");
  };

  it("reads the generate extension of the Open Inference Protocol as a completion of the model in the path", () => {
    const body = { id: "7", text_input: "abc", parameters: { max_tokens: 5, temperature: 0, details: true } };
    const decoded = at("/v2/models/tiny/versions/3/generate_stream")(body);
    expect(decoded).toMatchObject({ form: "generate", target: { model: "tiny", version: "3" }, streams: true });
    expect(JSON.parse(new TextDecoder().decode(decoded.question))).toEqual({
      openai: "completion",
      tenant: "tenant",
      request: { model: "tiny:3", prompt: "abc", max_tokens: 5, temperature: 0, stream: true },
      generate: { id: "7", model: "tiny", details: true },
    });
    expect(at("/v2/models/tiny/generate")({ text_input: "a" })).toMatchObject({
      target: { model: "tiny", version: undefined },
      streams: false,
    });
  });

  it.each([
    [{ text_input: "a", parameters: { max_new_tokens: 5 } }, /`parameters.max_new_tokens` is not a known field/],
    [{ text: "a" }, /text_input/],
    [{ text_input: "a", parameters: { temperature: 3 } }, /temperature/],
  ])("refuses %j and names the field", (body, message) => {
    expect(() => at("/v2/models/tiny/generate")(body)).toThrow(message);
  });
});
