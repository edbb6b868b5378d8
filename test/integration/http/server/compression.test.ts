import { afterEach, describe, expect, it } from "@jest/globals";
import { deflateSync, gunzipSync, gzipSync } from "node:zlib";
import type { HttpApiParts } from "../../../../control-plane/adapters/http/server/http-api.ts";
import type { InferenceRequest } from "../../../../control-plane/app/inference/inference-request.ts";
import { own } from "../../../../shared/bytes/owned-bytes.ts";
import { ResponseStream } from "../../../../shared/inference/response-stream.ts";
import type { TrailersFrame } from "../../../../shared/protocol/frames/stream-frame.ts";
import { anAnswer, openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
afterEach(() => api.close());

const PATH = "/v2/models/digits/infer";
const BODY = Buffer.from(`{"inputs":[${" ".repeat(10_000)}]}`);

async function open(over: Partial<HttpApiParts> = {}): Promise<InferenceRequest[]> {
  const asked: InferenceRequest[] = [];
  api = await openHttpApi({
    infer: async (request) => {
      asked.push({ ...request, body: request.body.map((piece) => Uint8Array.from(piece)) });
      return anAnswer({ body: own(Buffer.from(BODY)) });
    },
    ...over,
  });
  return asked;
}

const infer = (bytes: Uint8Array, headers: Record<string, string>) =>
  api.call("POST", PATH, { key: api.keyOf.application, bytes, headers });

describe("compressed requests", () => {
  it.each([
    ["gzip", gzipSync],
    ["x-gzip", gzipSync],
    ["deflate", deflateSync],
    ["identity", (bytes: Buffer) => bytes],
  ])("reach the model inflated: %s", async (encoding, compress) => {
    const asked = await open();
    const headers = { "Content-Encoding": encoding, "Inference-Header-Content-Length": "10000" };
    expect((await infer(compress(BODY), headers)).status).toBe(200);
    expect(Buffer.concat(asked[0]?.body ?? []).equals(BODY)).toBe(true);
    expect(asked[0]?.headerLength).toBe(10_000);
  });

  it("are refused when they inflate beyond the bound, however small they are", async () => {
    const asked = await open();
    const bomb = gzipSync(Buffer.alloc(200 * 1_048_576));
    expect(bomb.length).toBeLessThan(300_000);
    const answer = await infer(bomb, { "Content-Encoding": "gzip" });
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([413, "TOO_LARGE"]);
    expect(asked).toEqual([]);
  });

  it.each([
    ["damaged", gzipSync(BODY).fill(0, 20, 30)],
    ["cut", gzipSync(BODY).subarray(0, 40)],
    ["not compressed", BODY],
  ])("are refused when they are %s", async (_what, bytes) => {
    await open();
    const answer = await infer(bytes, { "Content-Encoding": "gzip" });
    expect([answer.status, answer.body.error]).toEqual([400, expect.stringContaining("Content-Encoding")]);
  });

  it("are taken by the admin API within its own bound", async () => {
    await open();
    const post = (text: string) =>
      api.call("POST", "/api/v1/models", {
        key: api.keyOf.admin,
        bytes: gzipSync(text),
        headers: { "Content-Type": "application/json", "Content-Encoding": "gzip" },
      });
    expect((await post('{"name":"fresh"}')).status).toBe(201);
    expect((await post(`{"name":"${"x".repeat(1_000_000)}"}`)).status).toBe(413);
  });
});

describe("compressed answers", () => {
  const asks = { "Accept-Encoding": "deflate, gzip;q=0.5" };

  it("go to callers who ask for them", async () => {
    await open();
    const { headers, bytes } = await infer(BODY, asks);
    expect(headers).toMatchObject({ "content-encoding": "gzip", vary: "Accept-Encoding" });
    expect(headers["content-length"]).toBe(String(bytes.length));
    expect(gunzipSync(bytes).equals(BODY)).toBe(true);
  });

  it("are made of streams, piece by piece", async () => {
    const stream = new ResponseStream<TrailersFrame>({
      length: 2 * BODY.length,
      windowBytes: 1_048_576,
      grant: () => undefined,
    });
    await open({ infer: async () => anAnswer({ body: stream }) });
    const answer = infer(BODY, asks);
    stream.push(own(Buffer.from(BODY)));
    stream.push(own(Buffer.from(BODY)));
    stream.finish({} as TrailersFrame);
    const { headers, bytes } = await answer;
    expect(headers).toMatchObject({ "content-encoding": "gzip", "transfer-encoding": "chunked" });
    expect(gunzipSync(bytes).equals(Buffer.concat([BODY, BODY]))).toBe(true);
  });

  it.each([
    ["nobody asks", {}],
    ["gzip is refused", { "Accept-Encoding": "gzip;q=0, *" }],
    ["another encoding is asked for", { "Accept-Encoding": "br" }],
  ])("are not made when %s", async (_what, headers) => {
    await open();
    const answer = await infer(BODY, headers);
    expect(answer.headers["content-encoding"]).toBeUndefined();
    expect(answer.bytes.equals(BODY)).toBe(true);
  });

  it("are not made of small ones", async () => {
    await open({ infer: async () => anAnswer({ body: own(Buffer.from("{}")) }) });
    expect((await infer(BODY, asks)).headers["content-encoding"]).toBeUndefined();
  });
});
