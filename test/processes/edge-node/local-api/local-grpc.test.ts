import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { LocalKeys } from "../../../../edge-node/adapters/http/local-keys.ts";
import { GrpcClient } from "../../../support/network/grpc-client.ts";
import { type Facts, LocalApiRig } from "../support/local-api-rig.ts";

const rig = new LocalApiRig();
const { call } = rig;
beforeAll(() => rig.startHosts());
afterAll(() => rig.stopHosts());
afterEach(() => rig.close());

describe("a node's API over gRPC", () => {
  let client: GrpcClient;
  const floats = Buffer.from(Float32Array.of(1, -2.5).buffer);
  const request = (over: object = {}): object => ({
    model_name: "same",
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 2] }],
    raw_input_contents: [floats],
    ...over,
  });

  const openGrpc = async (over: Partial<Facts> = {}, keys?: LocalKeys): Promise<void> => {
    await rig.open(over, keys);
    client = new GrpcClient(await rig.grpc.listen({ host: "127.0.0.1", port: 0 }));
  };
  afterEach(() => client.close());

  it("runs requests, tells about its models, and counts what it answered", async () => {
    await openGrpc();
    const { message, headers } = await client.call("ModelInfer", request({ id: "a" }));
    expect(message).toMatchObject({ model_name: "same", model_version: "3", id: "a", raw_output_contents: [floats] });
    expect(headers).toMatchObject({ "skerry-node": "dock-7", "skerry-model-version": "same:3" });
    expect((await client.call("ModelReady", { name: "same" })).message).toEqual({ ready: true });
    expect((await client.call("ModelMetadata", { name: "same" })).message).toMatchObject({ versions: ["3"] });
    expect((await client.call("ModelConfig", { name: "same" })).message.config.input).toMatchObject([{ name: "x" }]);
    expect((await client.call("ModelStatistics", {})).message.model_stats).toMatchObject([
      { name: "same", inference_count: "1" },
      { name: "loop", inference_count: "0" },
    ]);
    expect((await client.call("RepositoryIndex", {})).message.models).toHaveLength(2);
    expect((await client.call("RepositoryModelLoad", { model_name: "same" })).error?.code).toBe(12);
    expect((await call("/v2/models/same/stats")).json).toMatchObject({ model_stats: [{ inference_count: 1 }] });
    expect((await call("/v2/models/same/config")).json).toMatchObject({ input: [{ data_type: "TYPE_FP32" }] });
  });

  it("answers a refusal with its status and the model's words", async () => {
    await openGrpc();
    const wrong = await client.call("ModelInfer", request({ raw_input_contents: [Buffer.alloc(4)] }));
    expect(wrong.error).toMatchObject({ code: 3, details: expect.stringContaining('input "x" has 4 bytes') });
    expect((await client.call("ModelInfer", request({ model_name: "none" }))).error?.code).toBe(5);
    const turns = [{ name: "turns", datatype: "INT64", shape: [], contents: { int64_contents: ["1000000000000"] } }];
    const late = request({ model_name: "loop", inputs: turns, raw_input_contents: [] });
    expect((await client.call("ModelInfer", late, { timeoutMs: 200 })).error?.code).toBe(4);
  });

  it("asks for the node's keys", async () => {
    const file = path.join(rig.directory, "grpc-keys");
    await writeFile(file, createHash("sha256").update("first").digest("hex"));
    await openGrpc({}, await LocalKeys.open(file));
    expect((await client.call("ModelInfer", request())).error?.code).toBe(16);
    expect((await client.call("ModelInfer", request(), { key: "first" })).error).toBeUndefined();
    expect((await client.call("ServerReady", {})).message).toEqual({ ready: true });
  });
});
