import { own } from "../../../../shared/bytes/owned-bytes.ts";
import { afterEach, describe, expect, it } from "@jest/globals";
import { status } from "@grpc/grpc-js";
import type { HttpApiParts } from "../../../../control-plane/adapters/http/server/http-api.ts";
import type { InferenceRequest } from "../../../../control-plane/app/inference/inference-request.ts";
import { ERRORS, type ErrorCode } from "../../../../shared/base/errors.ts";
import { decodeRequest } from "../../../../shared/inference/request.ts";
import { encodeResponse } from "../../../../shared/inference/response.ts";
import { eventually } from "../../../support/eventually.ts";
import { GrpcClient } from "../../../support/network/grpc-client.ts";
import { anAnswer, openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
let client: GrpcClient;
let asked: InferenceRequest[];

const SIGNATURE = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
};

/** The model answers its input. */
function echo({ body, headerLength }: InferenceRequest) {
  const { id, inputs } = decodeRequest(Buffer.concat(body), headerLength, SIGNATURE);
  const outputs = inputs.map((tensor) => ({ tensor: { ...tensor, name: "y" }, binary: true }));
  return anAnswer(encodeResponse({ modelName: "digits", modelVersion: "1", id, outputs }));
}

async function open(over: Partial<HttpApiParts> = {}): Promise<void> {
  asked = [];
  api = await openHttpApi({
    infer: async (request) => {
      asked.push(request);
      return echo(request);
    },
    ...over,
  });
  client = new GrpcClient(await api.api.grpc.listen({ host: "127.0.0.1", port: 0 }));
}

afterEach(async () => {
  client.close();
  await api.api.grpc.stop(0);
  await api.close();
});

const floats = (...values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
const request = (over: object = {}): object => ({
  model_name: "digits",
  id: "a1",
  inputs: [{ name: "x", datatype: "FP32", shape: [1, 2] }],
  raw_input_contents: [floats(1, -2.5)],
  ...over,
});

describe("gRPC at the control plane", () => {
  it("answers raw contents with raw contents, and says who answered", async () => {
    await open();
    const { message, error, headers } = await client.call("ModelInfer", request(), { key: api.keyOf.application });
    expect(error).toBeUndefined();
    expect(message).toMatchObject({ model_name: "digits", model_version: "1", id: "a1" });
    expect(message.outputs).toMatchObject([{ name: "y", datatype: "FP32", shape: ["1", "2"] }]);
    expect(message.raw_output_contents).toEqual([floats(1, -2.5)]);
    expect(headers).toMatchObject({ "skerry-model-version": "digits:1", "skerry-route": expect.any(String) });
  });

  it("takes typed contents", async () => {
    await open();
    const inputs = [{ name: "x", datatype: "FP32", shape: [1, 2], contents: { fp32_contents: [1, -2.5] } }];
    const { message } = await client.call("ModelInfer", request({ inputs, raw_input_contents: [] }), {
      key: api.keyOf.application,
    });
    expect(message.raw_output_contents).toEqual([floats(1, -2.5)]);
  });

  it("hands on version, deadline and preferences", async () => {
    await open();
    const metadata = {
      "skerry-residency": "edge-only",
      "skerry-prefer": "edge",
      "skerry-site": "harbour",
      "skerry-sticky": "user-7",
    };
    const version = { model_version: "champion" };
    await client.call("ModelInfer", request(version), { key: api.keyOf.application, metadata, timeoutMs: 20_000 });
    expect(asked[0]).toMatchObject({
      version: "champion",
      residency: "edge-only",
      prefer: { kind: "edge" },
      site: "harbour",
      sticky: "user-7",
    });
    expect(asked[0]?.timeoutMs).toBeGreaterThan(1_000);
    expect(asked[0]?.timeoutMs).toBeLessThanOrEqual(20_000);
  });

  it.each<[ErrorCode, number]>([
    ["INVALID_REQUEST", status.INVALID_ARGUMENT],
    ["NOT_SERVED", status.UNIMPLEMENTED],
    ["QUEUE_FULL", status.RESOURCE_EXHAUSTED],
    ["TOO_LARGE", status.RESOURCE_EXHAUSTED],
    ["MODEL_NOT_READY", status.UNAVAILABLE],
    ["DEADLINE_EXCEEDED", status.DEADLINE_EXCEEDED],
    ["RUN_FAILED", status.INTERNAL],
    ["NODE_LOST", status.UNAVAILABLE],
    ["RESIDENCY_UNSATISFIABLE", status.UNAVAILABLE],
  ])("answers %s with its status, the node's words and the code", async (code, expected) => {
    const body = own(Buffer.from(JSON.stringify({ error: "what the node says" })));
    await open({ infer: async () => anAnswer({ status: ERRORS[code].status, code, body }) });
    const { error, trailers } = await client.call("ModelInfer", request(), { key: api.keyOf.application });
    expect(error).toMatchObject({ code: expected, details: "what the node says" });
    expect(trailers["skerry-error"]).toBe(code);
  });

  it("slows down those who guess by the address that a trusted proxy saw", async () => {
    await open({ limits: { failuresPerAddress: { perSecond: 1, burst: 2 } }, trustedProxies: 1 });
    const guess = async (address: string): Promise<number | undefined> => {
      const metadata = { "x-forwarded-for": `203.0.113.99, ${address}` };
      return (await client.call("ModelInfer", request(), { key: "sk_000000000000_wrong", metadata })).error?.code;
    };
    const codes = [];
    for (let index = 0; index < 3; index += 1) codes.push(await guess("192.0.2.1"));
    expect([...codes, await guess("192.0.2.2")]).toEqual([
      status.UNAUTHENTICATED,
      status.UNAUTHENTICATED,
      status.RESOURCE_EXHAUSTED,
      status.UNAUTHENTICATED,
    ]);
  });

  it("asks for the same keys, roles and scopes as HTTP", async () => {
    await open();
    const code = async (over: object, key: string | undefined): Promise<number | undefined> =>
      (await client.call("ModelInfer", request(over), { key })).error?.code;
    expect(await code({}, undefined)).toBe(status.UNAUTHENTICATED);
    expect(await code({}, "sk_wrong")).toBe(status.UNAUTHENTICATED);
    expect(await code({}, api.keyOf.viewer)).toBe(status.PERMISSION_DENIED);
    expect(await code({ model_name: "secret" }, api.keyOf.application)).toBe(status.NOT_FOUND);
    expect(await code({ model_name: "" }, api.keyOf.admin)).toBe(status.NOT_FOUND);
    const { application: key } = api.keyOf;
    expect((await client.call("RepositoryModelLoad", { model_name: "digits" }, { key })).error?.code).toBe(
      status.PERMISSION_DENIED,
    );
    expect((await client.call("ModelMetadata", { name: "digits" })).error?.code).toBe(status.UNAUTHENTICATED);
  });

  it("tells about server and models", async () => {
    await open();
    const { application: key } = api.keyOf;
    const ask = async (method: string, message: object = {}): Promise<unknown> =>
      (await client.call(method, message, { key })).message;
    expect(await ask("ServerLive")).toEqual({ live: true });
    expect(await ask("ServerReady")).toEqual({ ready: true });
    expect(await ask("ServerMetadata")).toMatchObject({ name: "skerry", version: "0.1.0" });
    expect(await ask("ModelReady", { name: "digits" })).toEqual({ ready: true });
    expect(await ask("ModelMetadata", { name: "digits" })).toMatchObject({
      versions: ["1"],
      inputs: [{ name: "x", datatype: "FP32", shape: ["-1", "4"] }],
    });
    expect(await ask("ModelConfig", { name: "digits" })).toMatchObject({
      config: { name: "digits", max_batch_size: 0, input: [{ name: "x", data_type: "TYPE_FP32", dims: ["-1", "4"] }] },
    });
    expect(await ask("RepositoryIndex")).toEqual({
      models: [expect.objectContaining({ name: "digits", state: "READY" })],
    });
  });

  it("counts what it answered, over both transports", async () => {
    await open();
    const { application: key } = api.keyOf;
    await client.call("ModelInfer", request(), { key });
    await api.call("POST", "/v2/models/digits/infer", {
      key,
      body: { inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, 2] }] },
    });
    const { message } = await client.call("ModelStatistics", { name: "digits" }, { key });
    expect(message.model_stats).toMatchObject([
      { name: "digits", version: "1", inference_count: "2", inference_stats: { success: { count: "2" } } },
    ]);
    const http = await api.call("GET", "/v2/models/digits/stats", { key });
    expect(http.body.model_stats).toMatchObject([{ name: "digits", version: "1", inference_count: 2 }]);
    expect((await api.call("GET", "/v2/models/digits/config", { key })).body).toMatchObject({
      input: [{ name: "x", data_type: "TYPE_FP32", dims: [-1, 4] }],
    });
  });

  it("answers a stream one to one, in order, and goes on after a refusal", async () => {
    await open();
    const messages = [request({ id: "1" }), request({ id: "2", model_name: "secret" }), request({ id: "3" })];
    const answers = await client.stream("ModelStreamInfer", messages, { key: api.keyOf.application });
    expect(answers).toMatchObject([
      { error_message: "", infer_response: { id: "1" } },
      { error_message: expect.stringContaining("model secret is not known"), infer_response: { id: "2" } },
      { error_message: "", infer_response: { id: "3" } },
    ]);
    await expect(client.stream("ModelStreamInfer", messages)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it("drops the request of a caller that goes away", async () => {
    const { promise: isAsked, resolve } = Promise.withResolvers<void>();
    await open({
      infer: (running) => {
        asked.push(running);
        resolve();
        return new Promise((answer) => running.cancellation.onCancel(() => answer(anAnswer())));
      },
    });
    expect(await client.cancelled("ModelInfer", request(), isAsked, { key: api.keyOf.application })).toBe(
      status.CANCELLED,
    );
    await eventually("the cancellation arrives", () => asked[0]?.cancellation.isCancelled === true);
  });

  it("refuses a message beyond the limit of a body", async () => {
    await open();
    const { application: key } = api.keyOf;
    const large = request({ raw_input_contents: [Buffer.alloc(80 * 1_048_576)] });
    expect((await client.call("ModelInfer", large, { key })).error?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(asked).toEqual([]);
  });
});
