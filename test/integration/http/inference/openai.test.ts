import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterEach, describe, expect, it } from "@jest/globals";
import { own } from "../../../../shared/bytes/owned-bytes.ts";
import { ResponseStream } from "../../../../shared/inference/response-stream.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { FRAME_TYPE } from "../../../../shared/protocol/frames/frame-prefix.ts";
import type { TrailersFrame } from "../../../../shared/protocol/frames/stream-frame.ts";
import type { InferenceRequest } from "../../../../control-plane/app/inference/inference-request.ts";
import type { NodeStream } from "../../../../control-plane/app/inference/pending-requests.ts";
import { anAnswer, openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
afterEach(() => api.close());

const usage = { promptTokens: 5, outputTokens: 3, cachedTokens: 1 };
const trailers: TrailersFrame = {
  type: FRAME_TYPE.TRAILERS,
  requestId: 1,
  nodeInFlight: 0,
  placementInFlight: 0,
  queueUs: 0,
  computeUs: 1,
  meanUs: 1,
  p95Us: 1,
  slots: 1,
  meta: { usage },
};

/** A stream that has these texts in it and then ends, whole or not. */
function streamOf(texts: readonly string[], end: "whole" | "lost" | "failed"): NodeStream {
  const stream: NodeStream = new ResponseStream({ length: undefined, windowBytes: 65_536, grant: () => undefined });
  for (const text of texts) stream.push(own(new TextEncoder().encode(text)));
  // After what was pushed was read: a stream that failed drops the rest.
  setImmediate(() => {
    if (end === "whole") stream.finish(trailers);
    else if (end === "failed") stream.fail("DEADLINE_EXCEEDED", "no token came for 30000 ms", trailers);
    else stream.fail("NODE_LOST", "the node went away before the end of its answer");
  });
  return stream;
}

interface Case {
  readonly role?: "viewer" | "nobody";
  readonly model?: string;
  readonly change?: object;
}

async function openWith(body: () => NodeStream): Promise<InferenceRequest[]> {
  const asked: InferenceRequest[] = [];
  api = await openHttpApi({
    infer: async (request) => {
      asked.push({ ...request, body: request.body.map((piece) => Uint8Array.from(piece)) });
      return { ...anAnswer(), headerLength: JSON_BODY, body: body() };
    },
  });
  return asked;
}

const chat = (request: object, headers: Record<string, string> = {}, key: string | undefined = api.keyOf.application) =>
  api.call("POST", "/v1/chat/completions", {
    key,
    body: { model: "digits", messages: [{ role: "user", content: "hi" }], ...request },
    headers,
  });

describe("the OpenAI API at the control plane", () => {
  it("routes a question by the model that its body names, and forwards the answer as it comes", async () => {
    const asked = await openWith(() => streamOf(["data: a\n\n", "data: [DONE]\n\n"], "whole"));
    const answer = await chat({ model: "digits:champion", stream: true, user: "u" }, { "Skerry-Timeout-Ms": "900" });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
      "skerry-ignored": "user",
    });
    expect(answer.bytes.toString("utf8")).toBe("data: a\n\ndata: [DONE]\n\n");
    expect(asked).toMatchObject([{ model: "digits", version: "champion", asks: "text", headerLength: JSON_BODY }]);
    expect(JSON.parse(Buffer.concat(asked[0]?.body ?? []).toString("utf8"))).toMatchObject({
      openai: "chat",
      request: { messages: [{ role: "user", content: "hi" }] },
    });
  });

  it("cuts a stream whose key is revoked, and frees the node", async () => {
    const asked = await openWith(() => {
      const stream: NodeStream = new ResponseStream({ length: undefined, windowBytes: 65_536, grant: () => undefined });
      stream.push(own(new TextEncoder().encode("data: a\n\n")));
      return stream; // and more would come
    });
    const key = api.keyOf.application;
    const request = api.open("POST", "/v1/chat/completions", { key, headers: { "Content-Type": "application/json" } });
    request.end(JSON.stringify({ model: "digits", messages: [{ role: "user", content: "hi" }], stream: true }));
    const [response]: IncomingMessage[] = await once(request, "response");
    const cut = new Promise<string>((resolve) => {
      response?.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "")).resume();
    });
    const cancelled = new Promise<void>((resolve) => asked[0]?.cancellation.onCancel(resolve));
    await api.call("DELETE", `/api/v1/api-keys/${key.split("_")[1]}`, { key: api.keyOf.admin });
    expect(await cut).toBe("ECONNRESET");
    await cancelled;
  });

  it("says what a cascade needs to know, and tells what came of it", async () => {
    const asked: InferenceRequest[] = [];
    const cascade = { rule: "doubt", closed: "breaker" } as const;
    api = await openHttpApi({
      infer: async (request) => {
        asked.push(request);
        const answer = anAnswer();
        return { ...answer, route: { ...answer.route, cascade } };
      },
    });
    const { headers } = await chat({}, { "Skerry-Cascade": "large" });
    expect(headers["skerry-route"]).toMatch(/, rule=doubt, closed=breaker$/);
    expect(asked).toMatchObject([{ cascade: { wants: "large", promptCharacters: 2 } }]);
    const refused = await chat({}, { "Skerry-Cascade": "yes" });
    expect([refused.status, refused.headers["skerry-error"]]).toEqual([400, "INVALID_REQUEST"]);
  });

  it("ends a stream whose node was lost with an error, and not as if it were whole", async () => {
    await openWith(() => streamOf(["data: a\n\n"], "lost"));
    const { bytes } = await chat({ stream: true });
    const [, last] = bytes.toString("utf8").split("\n\n");
    expect(JSON.parse(last?.slice("data: ".length) ?? "")).toEqual({
      error: { message: expect.stringMatching(/went away/), type: "server_error", param: null, code: "NODE_LOST" },
    });
  });

  it("counts tokens and the time to the first of them", async () => {
    await openWith(() => streamOf(["{}"], "whole"));
    await chat({});
    const { bytes } = await api.call("GET", "/metrics", { key: api.keyOf.viewer });
    const text = bytes.toString("utf8");
    expect(text).toContain('skerry_text_tokens_total{model="digits",kind="prompt"} 5');
    expect(text).toContain('skerry_text_tokens_total{model="digits",kind="cached"} 1');
    expect(text).toContain('skerry_text_tokens_total{model="digits",kind="output"} 3');
    expect(text).toContain('skerry_text_first_token_seconds_count{model="digits"} 1');
  });

  it("counts what the large model of a cascade answered for that one", async () => {
    api = await openHttpApi({
      infer: async () => ({
        ...anAnswer(),
        headerLength: JSON_BODY,
        modelVersion: "secret:1",
        body: streamOf(["{}"], "whole"),
      }),
    });
    await chat({});
    const { bytes } = await api.call("GET", "/metrics", { key: api.keyOf.viewer });
    const text = bytes.toString("utf8");
    expect(text).toContain('skerry_text_tokens_total{model="secret",kind="output"} 3');
    expect(text).toContain('skerry_inferences_total{model="secret",version="1",code="OK"} 1');
  });

  it("counts the tokens of an answer that was cut", async () => {
    await openWith(() => streamOf(["data: a\n\n"], "failed"));
    await chat({ stream: true });
    const { bytes } = await api.call("GET", "/metrics", { key: api.keyOf.viewer });
    expect(bytes.toString("utf8")).toContain('skerry_text_tokens_total{model="digits",kind="output"} 3');
  });

  it("names the key's tenant to the model, so that no key learns of another one's prompts", async () => {
    const asked = await openWith(() => streamOf(["{}"], "whole"));
    await chat({});
    await chat({}, {}, api.keyOf.admin);
    const tenants = asked.map(({ body }) => JSON.parse(Buffer.concat(body).toString("utf8")).tenant as unknown);
    expect(tenants).toEqual([expect.stringMatching(/./), expect.stringMatching(/./)]);
    expect(tenants[0]).not.toBe(tenants[1]);
  });

  const hi = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "hi" },
  ];
  const further = [
    { role: "assistant", content: "Hello." },
    { role: "user", content: "Who are you?" },
  ];
  const ho = [{ role: "user", content: "ho" }];

  interface Turn {
    readonly more: object;
    readonly id?: string;
    readonly isAdmin?: boolean;
    readonly path?: string;
  }

  const completion = (prompt: string): Turn => ({ path: "/v1/completions", more: { prompt } });

  it.each<[string, boolean, Turn, Turn]>([
    ["a conversation and its next turn", true, { more: { messages: hi } }, { more: { messages: [...hi, ...further] } }],
    ["other questions", false, { more: { messages: hi } }, { more: { messages: [...hi.slice(0, 1), ...ho] } }],
    ["other instructions", false, { more: { messages: hi } }, { more: { messages: hi.slice(1) } }],
    ["prompts that begin alike", true, completion(`${"a".repeat(256)}b`), completion(`${"a".repeat(256)}c`)],
    ["prompts that begin otherwise", false, completion("ab"), completion("ac")],
    [
      "one `prompt_cache_key`",
      true,
      { more: { messages: hi, prompt_cache_key: "one" } },
      { more: { messages: ho, prompt_cache_key: "one" } },
    ],
    [
      "two values of `prompt_cache_key`",
      false,
      { more: { messages: hi, prompt_cache_key: "one" } },
      { more: { messages: hi, prompt_cache_key: "two" } },
    ],
    [
      "one X-Session-Id, whatever `prompt_cache_key` says",
      true,
      { id: "s", more: { messages: hi, prompt_cache_key: "one" } },
      { id: "s", more: { messages: ho, prompt_cache_key: "two" } },
    ],
    ["two values of X-Session-Id", false, { id: "s", more: { messages: hi } }, { id: "t", more: { messages: hi } }],
    [
      "the same of two keys",
      false,
      { id: "s", more: { messages: hi } },
      { id: "s", more: { messages: hi }, isAdmin: true },
    ],
  ])("takes %s for one session (%s)", async (_, isOne, ...turns) => {
    const asked = await openWith(() => streamOf(["{}"], "whole"));
    for (const { path = "/v1/chat/completions", more, id, isAdmin = false } of turns)
      await api.call("POST", path, {
        key: isAdmin ? api.keyOf.admin : api.keyOf.application,
        body: { model: "digits", ...more },
        headers: id === undefined ? {} : { "X-Session-Id": id },
      });
    const [first, second] = asked.map(({ session }) => session);
    expect(first).toEqual(expect.any(Number));
    expect(second === first).toBe(isOne);
  });

  describe("embeddings", () => {
    const embed = (request: object) =>
      api.call("POST", "/v1/embeddings", { key: api.keyOf.application, body: { model: "digits", ...request } });

    it("are asked of the model that the body names, and their tokens are counted", async () => {
      const asked = await openWith(() => streamOf(["{}"], "whole"));
      const answer = await embed({ input: ["a", "b"], encoding_format: "base64", user: "u" });
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({ "content-type": "application/json", "skerry-ignored": "user" });
      expect(asked).toMatchObject([{ model: "digits", asks: "embeddings", headerLength: JSON_BODY }]);
      expect(JSON.parse(Buffer.concat(asked[0]?.body ?? []).toString("utf8"))).toMatchObject({
        openai: "embedding",
        request: { input: ["a", "b"] },
      });
      const { bytes } = await api.call("GET", "/metrics", { key: api.keyOf.viewer });
      expect(bytes.toString("utf8")).toContain('skerry_embedding_tokens_total{model="digits"} 5');
    });

    it("have a length, so that a reader knows whether they are whole", async () => {
      const body = '{"object":"list"}';
      await openWith(() => {
        const stream: NodeStream = new ResponseStream({
          length: body.length,
          windowBytes: 65_536,
          grant: () => undefined,
        });
        stream.push(own(new TextEncoder().encode(body)));
        setImmediate(() => stream.finish(trailers));
        return stream;
      });
      const answer = await embed({ input: "a" });
      expect([answer.headers["content-length"], answer.bytes.toString("utf8")]).toEqual([String(body.length), body]);
    });

    it.each([
      ["no input", {}, "input"],
      ["an empty text", { input: "" }, "input"],
      ["an empty list", { input: [] }, "input"],
      ["too many texts", { input: Array.from({ length: 2_049 }, () => "a") }, "input"],
      ["texts and tokens at once", { input: ["a", 1] }, "input"],
      ["a negative token", { input: [-1] }, "input.0"],
      ["another encoding", { input: "a", encoding_format: "hex" }, "encoding_format"],
      ["no dimensions", { input: "a", dimensions: 0 }, "dimensions"],
      ["a stream", { input: "a", stream: true }, "stream"],
    ])("with %s are refused before a node is asked", async (_, request, param) => {
      const asked = await openWith(() => streamOf([], "whole"));
      const { status, body } = await embed(request);
      expect([status, body.error.code, body.error.param]).toEqual([400, "INVALID_REQUEST", param]);
      expect(asked).toEqual([]);
    });
  });

  it.each([
    ["no key", { role: "nobody" as const }, 401, "authentication_error", "invalid_api_key"],
    ["a key without the right to ask", { role: "viewer" as const }, 403, "permission_error", "FORBIDDEN"],
    ["a model that the key may not see", { model: "secret" }, 404, "invalid_request_error", "model_not_found"],
    ["an unknown field", { change: { hello: 1 } }, 400, "invalid_request_error", "INVALID_REQUEST"],
  ])("answers %s in OpenAI's form", async (_, how: Case, status, type, code) => {
    await openWith(() => streamOf([], "whole"));
    const { role = "application", model = "digits", change } = how;
    const key = role === "nobody" ? undefined : api.keyOf[role];
    const answer = await api.call("POST", "/v1/chat/completions", {
      key,
      body: { model, messages: [{ role: "user", content: "hi" }], ...change },
    });
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({
      error: { message: expect.any(String), type, param: code === "INVALID_REQUEST" ? "hello" : null, code },
    });
  });

  it("answers the generate extension from the same models, with errors in the form of /v2", async () => {
    const asked = await openWith(() => streamOf(['data: {"text_output":"b"}\n\n'], "failed"));
    const generate = (operation: string, body: object) =>
      api.call("POST", `/v2/models/digits/${operation}`, { key: api.keyOf.application, body });
    const { headers, bytes } = await generate("generate_stream", { text_input: "a" });
    expect(headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(bytes.toString("utf8").trim().split("\n\n")).toEqual([
      'data: {"text_output":"b"}',
      expect.stringMatching(/^data: \{"error":"no token came for 30000 ms\. .*"\}$/),
    ]);
    expect(asked).toMatchObject([{ model: "digits", version: undefined, asks: "text" }]);
    const refused = await generate("generate", { text_input: "a", parameters: { hello: 1 } });
    expect(refused.status).toBe(400);
    expect(refused.body).toEqual({ error: expect.stringMatching(/`parameters.hello` is not a known field/) });
    const wrong = await api.call("GET", "/v2/models/digits/generate", { key: api.keyOf.viewer });
    expect([wrong.status, wrong.headers["allow"], wrong.body]).toEqual([405, "POST", { error: expect.any(String) }]);
  });

  it("passes the refusal of a node on in the form of the path", async () => {
    const error = "The prompt has 90 tokens; at most 64 fit";
    api = await openHttpApi({
      infer: async () =>
        anAnswer({ status: 400, code: "CONTEXT_TOO_LONG", body: own(Buffer.from(JSON.stringify({ error }))) }),
    });
    const { application: key } = api.keyOf;
    const generated = await api.call("POST", "/v2/models/digits/generate", { key, body: { text_input: "a" } });
    expect([generated.status, generated.body]).toEqual([400, { error }]);
    const chatted = await chat({});
    expect([chatted.status, chatted.body]).toEqual([
      400,
      { error: expect.objectContaining({ message: expect.stringContaining(error) }) },
    ]);
  });

  it("answers paths and methods that are not there in OpenAI's form", async () => {
    await openWith(() => streamOf([], "whole"));
    const nowhere = await api.call("GET", "/v1/edits", { key: api.keyOf.viewer });
    expect([nowhere.status, nowhere.body.error.code]).toEqual([404, "model_not_found"]);
    const wrong = await api.call("GET", "/v1/chat/completions", { key: api.keyOf.viewer });
    expect([wrong.status, wrong.headers["allow"]]).toEqual([405, "POST"]);
  });

  it("lists no model of tensors", async () => {
    await openWith(() => streamOf([], "whole"));
    const list = await api.call("GET", "/v1/models", { key: api.keyOf.viewer });
    expect(list.body).toEqual({ object: "list", data: [] });
    expect((await api.call("GET", "/v1/models/digits", { key: api.keyOf.viewer })).status).toBe(404);
  });
});
