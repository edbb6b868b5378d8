import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { own } from "../../../../shared/bytes/owned-bytes.ts";
import { ResponseStream } from "../../../../shared/inference/response-stream.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { FRAME_TYPE } from "../../../../shared/protocol/frames/frame-prefix.ts";
import type { NodeStream } from "../../../../control-plane/app/inference/pending-requests.ts";
import { eventually } from "../../../support/eventually.ts";
import { answerOf, type Answer } from "../support/http-call.ts";
import { anAnswer, openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

const trailers = {
  type: FRAME_TYPE.TRAILERS,
  requestId: 1,
  nodeInFlight: 0,
  placementInFlight: 0,
  queueUs: 0,
  computeUs: 1,
  meanUs: 1,
  p95Us: 1,
  slots: 1,
  meta: { usage: { promptTokens: 50, outputTokens: 30, cachedTokens: 0 } },
} as const;

let api: OpenHttpApi;
beforeEach(async () => {
  api = await openHttpApi({
    limits: { uploadsPerKey: 1 },
    infer: async ({ asks }) => {
      if (asks === undefined) return anAnswer();
      const stream: NodeStream = new ResponseStream({ length: undefined, windowBytes: 65_536, grant: () => undefined });
      stream.push(own(new TextEncoder().encode("{}")));
      setImmediate(() => stream.finish(trailers));
      return { ...anAnswer(), headerLength: JSON_BODY, body: stream };
    },
  });
});
afterEach(() => api.close());

async function keyWith(limits: object): Promise<string> {
  const { status, body } = await api.call("POST", "/api/v1/api-keys", {
    key: api.keyOf.admin,
    body: { name: "bounded", role: "application", models: ["digits"], limits },
  });
  expect([status, body.limits]).toEqual([
    201,
    { requestsPerMinute: null, concurrency: null, tokensPerMinute: null, ...limits },
  ]);
  return body.key;
}

const infer = (key: string): Promise<Answer> =>
  api.call("POST", "/v2/models/digits/infer", { key, body: { inputs: [] } });
const chat = (key: string): Promise<Answer> =>
  api.call("POST", "/v1/chat/completions", {
    key,
    body: { model: "digits", messages: [{ role: "user", content: "hi" }], stream: true },
  });
const reached = async (limit: string): Promise<number> => {
  const { bytes } = await api.call("GET", "/metrics");
  return Number(
    new RegExp(`^skerry_limits_reached_total\\{limit="${limit}"\\} (\\d+)$`, "m").exec(bytes.toString())?.[1] ?? 0,
  );
};

describe("the limits of a key", () => {
  it("bound its requests in a minute, at models and at the API together, and nobody else's", async () => {
    const key = await keyWith({ requestsPerMinute: 2 });
    expect((await infer(key)).status).toBe(200);
    expect((await api.call("GET", "/v2/models", { key })).status).toBe(200);
    const refused = await infer(key);
    expect([refused.status, refused.headers["skerry-error"], refused.headers["retry-after"]]).toEqual([
      429,
      "RATE_LIMITED",
      "30",
    ]);
    expect((await api.call("GET", "/api/v1/models", { key })).body.code).toBe("RATE_LIMITED");
    expect((await infer(api.keyOf.application)).status).toBe(200);
    expect(await reached("requests")).toBe(2);
    await api.clock.advance(30_000);
    expect((await infer(key)).status).toBe(200);
  });

  it("bound its tokens in a minute, once an answer has said how many it took", async () => {
    const key = await keyWith({ tokensPerMinute: 60 });
    expect((await chat(key)).status).toBe(200);
    const refused = await eventually("the tokens are counted", async () => {
      const answer = await chat(key);
      return answer.status === 429 && answer;
    });
    expect(refused.body.error.code).toBe("rate_limit_exceeded");
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(20);
    expect(await reached("tokens")).toBe(1);
    expect((await infer(key)).status).toBe(200); // tensors have no tokens
  });

  it("bound the uploads of one key that are under way", async () => {
    const headers = { "Content-Type": "application/octet-stream", "Content-Length": "8" };
    const declared = await api.call("POST", "/api/v1/models/digits/versions", {
      key: api.keyOf.operator,
      body: { bytes: 8, sha256: "a".repeat(64) },
    });
    const path = `${declared.body.uploadUrl}?offset=0`;
    const slow = api.open("PUT", path, { key: api.keyOf.operator, headers });
    const slowly = answerOf(slow);
    slow.write("half");
    const second = await eventually("the second upload is refused", async () => {
      const answer = await api.call("PUT", path, {
        key: api.keyOf.operator,
        bytes: Buffer.alloc(0),
        headers: { "Content-Type": headers["Content-Type"] },
      });
      return answer.status === 429 && answer;
    });
    expect(second.body.detail).toContain("1 uploads of key operator-key are under way");
    slow.end("half");
    expect((await slowly).status).toBeLessThan(500);
    expect(await reached("uploads")).toBe(1);
  });

  it("are refused when they are none", async () => {
    for (const limits of [{ requestsPerMinute: 0 }, { concurrency: 1.5 }, { tokens: 1 }]) {
      const { status } = await api.call("POST", "/api/v1/api-keys", {
        key: api.keyOf.admin,
        body: { name: "bounded", role: "viewer", limits },
      });
      expect(status).toBe(400);
    }
  });
});
