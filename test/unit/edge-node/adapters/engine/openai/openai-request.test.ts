import { describe, expect, it } from "@jest/globals";
import { engineQuestion } from "../../../../../../edge-node/adapters/engine/openai/openai-request.ts";
import { decodeRequest } from "../../../../../../shared/openai/decode-request.ts";

/** As the control plane sends it. */
const asked = (api: "chat" | "completion" | "embedding", request: object) => {
  const body = new TextEncoder().encode(JSON.stringify(request));
  return engineQuestion(decodeRequest(api, body, "k-1").question, "engine/name");
};
const sent = ({ body }: { readonly body: Uint8Array }): unknown => JSON.parse(new TextDecoder().decode(body));

const CHAT = { model: "writer", messages: [{ role: "user", content: "Hi" }] };

describe("the request for an engine", () => {
  it("is the caller's with the engine's name of the model, streams, and asks for the usage", () => {
    const found = asked("chat", { ...CHAT, temperature: 0.5, stop: ["x"], max_tokens: 7, n: 2, seed: 1 });
    expect(sent(found)).toEqual({
      model: "engine/name",
      messages: CHAT.messages,
      temperature: 0.5,
      stop: ["x"],
      max_tokens: 7,
      n: 2,
      seed: 1,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(found).toMatchObject({
      path: "/v1/chat/completions",
      wanted: { model: "writer", streams: false, includesUsage: false, choices: 2 },
    });
  });

  it("leaves out what asks for nothing, and what is Skerry's own", () => {
    const found = asked("completion", {
      model: "writer:2",
      prompt: ["a", "b"],
      stop: null,
      user: "u-1",
      prompt_cache_key: "p-1",
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(sent(found)).toEqual({
      model: "engine/name",
      prompt: ["a", "b"],
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(found).toMatchObject({
      path: "/v1/completions",
      wanted: { model: "writer:2", streams: true, includesUsage: true, choices: 2 },
    });
  });

  it("asks for embeddings whole, in the caller's format", () => {
    const found = asked("embedding", { model: "vectors", input: ["a"], encoding_format: "base64" });
    expect([found, sent(found)]).toMatchObject([
      { kind: "embedding", path: "/v1/embeddings", model: "vectors" },
      { model: "engine/name", input: ["a"], encoding_format: "base64" },
    ]);
  });

  it("is refused for a body that is no question", () => {
    const tensors = new TextEncoder().encode('{"inputs": []}');
    expect(() => engineQuestion(tensors, "engine/name")).toThrow(/takes no tensors/);
  });
});
