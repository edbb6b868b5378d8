import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { ProcessModelHosts } from "../../../edge-node/adapters/host-process/model-hosts.ts";
import { LocalApi } from "../../../edge-node/adapters/http/local-api.ts";
import { LocalKeys } from "../../../edge-node/adapters/http/local-keys.ts";
import { NodeMetrics } from "../../../edge-node/adapters/http/metrics.ts";
import { InferenceWorker } from "../../../edge-node/app/inference/inference-worker.ts";
import type { ModelHost } from "../../../edge-node/ports/model-hosts.ts";
import type { LocalNode, LocalPlacementView, ModelSignature } from "../../../edge-node/ports/serving.ts";
import { systemClock } from "../../../shared/base/clock.ts";
import { encodeRequest } from "../../../shared/inference/request.ts";
import { ByteBudget } from "../../../shared/inference/http/byte-budget.ts";
import { InferenceStatistics } from "../../../shared/inference/statistics.ts";
import { DEFAULT_BODIES_BYTES } from "../../../shared/protocol/limits.ts";
import { GrpcServer } from "../../../shared/grpc-server/grpc-server.ts";
import { LocalFront } from "../../../edge-node/adapters/http/grpc/local-front.ts";
import { GrpcClient } from "../../support/network/grpc-client.ts";
import { decodeResponse } from "../../../shared/inference/response.ts";
import { MODEL_FILE } from "../../../shared/protocol/bundle.ts";
import { eventually } from "../../support/eventually.ts";
import { identityModel } from "../../support/models/onnx-models.ts";
import { loopModel } from "../../support/models/hostile-models.ts";
import { postHead, RawClient } from "../../support/network/raw-client.ts";
import { silentLogger } from "../../support/silent-logger.ts";

let directory: string;
let identity: ModelHost;
let loop: ModelHost;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-local-"));
  const hosts = new ProcessModelHosts({ workDirectory: path.join(directory, "work") });
  const start = async (name: string, file: Uint8Array): Promise<ModelHost> => {
    const folder = path.join(directory, name);
    await mkdir(folder);
    await writeFile(path.join(folder, MODEL_FILE), file);
    const spec = { placementId: name, model: name, version: "3", directory: folder, limits: LIMITS };
    return hosts.start(spec, () => undefined, new AbortController().signal);
  };
  identity = await start("same", identityModel("FP32", ["n", 2]));
  loop = await start("loop", loopModel({ forever: false }));
});

afterAll(async () => {
  await Promise.all([identity.stop(1_000), loop.stop(0)]);
  await rm(directory, { recursive: true, force: true });
});

const LIMITS = { memMiB: 512, maxBatch: 8, queue: 64, timeoutMs: 20_000 };
const agent = new HttpAgent({ keepAlive: false });

const aPlacement = (name: string, host: ModelHost, over: Partial<LocalPlacementView> = {}): LocalPlacementView => ({
  placementId: name,
  deployment: name,
  model: name,
  version: "3",
  aliases: [],
  want: "serve",
  state: "ready",
  timeoutMs: LIMITS.timeoutMs,
  isEdgeOnly: false,
  artifact: `sha256:${name}`,
  detail: undefined,
  signature: { inputs: host.inputs, outputs: host.outputs },
  ...over,
});

interface Facts {
  kind: "edge" | "cloud";
  connected: boolean;
  removed: boolean;
  draining: boolean;
  readyWhen: "all" | "any";
  placements: LocalPlacementView[];
  /** What the manifests on the disk say, by artifact. */
  declared: Record<string, ModelSignature>;
}

let api: LocalApi;
let grpc: GrpcServer;
let worker: InferenceWorker;
let port: number;
let facts: Facts;
/** What the node logged. */
let lines: object[];

async function open(over: Partial<Facts> = {}, keys?: LocalKeys): Promise<void> {
  facts = {
    kind: "edge",
    connected: true,
    removed: false,
    draining: false,
    readyWhen: "all",
    placements: [aPlacement("same", identity), aPlacement("loop", loop)],
    declared: {},
    ...over,
  };
  worker = new InferenceWorker({ clock: systemClock, nodeName: "dock-7", nodeKind: facts.kind });
  worker.serve({ placementId: "same", model: "same", version: "3", limits: LIMITS }, identity);
  worker.serve({ placementId: "loop", model: "loop", version: "3", limits: LIMITS }, loop);
  const node: LocalNode = {
    name: "dock-7",
    kind: facts.kind,
    version: "1.2.3",
    isConnected: () => facts.connected,
    isRemoved: () => facts.removed,
    isDraining: () => facts.draining,
    placements: () => facts.placements,
    declaredSignature: async (artifact) => facts.declared[artifact],
    load: () => worker.load(),
    infer: (request) => worker.infer(request),
  };
  const { readyWhen } = facts;
  lines = [];
  const logger = { ...silentLogger, info: (fields: object) => void lines.push(fields) };
  const bodies = new ByteBudget(DEFAULT_BODIES_BYTES);
  const statistics = new InferenceStatistics();
  const metrics = new NodeMetrics();
  api = new LocalApi({
    node,
    metrics,
    keys,
    readyWhen,
    bodies,
    maxBodyBytes: 8 * 1_048_576,
    statistics,
    clock: systemClock,
    logger,
  });
  port = await api.listen({ host: "127.0.0.1", port: 0 });
  const front = new LocalFront({ node, metrics, keys, readyWhen, bodies, statistics, clock: systemClock, logger });
  grpc = new GrpcServer({ front, maxBodyBytes: 8 * 1_048_576, clock: systemClock, logger, trustedProxies: 0 });
}

afterEach(async () => {
  await grpc.stop(0);
  await api.close();
});

interface Answered {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly bytes: Buffer;
  readonly json: unknown;
}

interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string;
}

function call(target: string, { method = "GET", headers = {}, body }: Sent = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, path: target, method, headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const bytes = Buffer.concat(chunks);
        const isJson = response.headers["content-type"] === "application/json";
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes,
          json: isJson ? JSON.parse(bytes.toString("utf8")) : undefined,
        });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

const infer = (body: unknown, headers: Record<string, string> = {}, model = "same"): Promise<Answered> =>
  call(`/v2/models/${model}/infer`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

const pair = { id: "q1", inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, -2.5] }] };
const turns = (count: number): object => ({ inputs: [{ name: "turns", datatype: "INT64", shape: [], data: [count] }] });

describe("a node's own API", () => {
  beforeEach(() => open());

  it("says what it is and what it holds", async () => {
    expect((await call("/v2")).json).toEqual({
      name: "skerry",
      version: "1.2.3",
      extensions: ["binary_tensor_data", "model_configuration", "statistics"],
    });
    expect((await call("/v2/models")).json).toEqual({ models: ["loop", "same"] });
    expect((await call("/v2/models/same")).json).toMatchObject({
      name: "same",
      versions: ["3"],
      platform: "onnx_onnxv1",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
    });
    expect((await call("/v2/models/same/versions/3/ready")).json).toEqual({ name: "same", ready: true });
  });

  it("answers JSON with JSON, and says who answered and why", async () => {
    const { status, headers, json } = await infer(pair);
    expect(status).toBe(200);
    expect(json).toEqual({
      model_name: "same",
      model_version: "3",
      id: "q1",
      outputs: [{ name: "y", shape: [1, 2], datatype: "FP32", data: [1, -2.5] }],
    });
    expect(headers).toMatchObject({
      "skerry-node": "dock-7",
      "skerry-model-version": "same:3",
      "skerry-route": 'placement="same", reason=local, candidates=1, attempt=1',
      "server-timing": expect.stringMatching(/^queue;dur=[\d.]+, infer;dur=[\d.]+$/),
    });
  });

  it("writes a line of a request whose trace is sampled, and none of others", async () => {
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    await infer(pair);
    await infer(pair, { traceparent: `00-${traceId}-00f067aa0ba902b7-00` });
    expect(lines).toEqual([]);
    await infer(pair, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` });
    expect(lines).toEqual([
      expect.objectContaining({
        traceId,
        parentSpanId: "00f067aa0ba902b7",
        placementId: "same",
        status: 200,
        batchSize: 1,
      }),
    ]);
  });

  it.each(["text/plain;charset=UTF-8", "application/x-www-form-urlencoded", undefined])(
    "reads a body of type %s as JSON",
    async (type) => {
      const headers = type === undefined ? {} : { "content-type": type };
      const answer = await call("/v2/models/same/infer", { method: "POST", headers, body: JSON.stringify(pair) });
      expect([answer.status, answer.json]).toEqual([200, expect.objectContaining({ id: "q1" })]);
    },
  );

  it("lets no page of another origin run a model where no key is asked for", async () => {
    const headers = { "content-type": "text/plain;charset=UTF-8", origin: "https://page.example" };
    const answer = await infer(pair, headers);
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([403, "ORIGIN_REFUSED"]);
    expect(answer.json).toEqual({ error: expect.stringContaining("SKERRY_CORS_ORIGINS") });
    expect((await call("/v2/health/live", { headers })).status).toBe(200);
  });

  it("answers a binary tensor with a binary tensor", async () => {
    const tensor = { name: "x", datatype: "FP32" as const, shape: [1, 2], data: Float32Array.of(1, -2.5) };
    const { body, headerLength } = encodeRequest({ inputs: [{ tensor, binary: true }], binaryOutput: true });
    const answer = await call("/v2/models/same/versions/3/infer", {
      method: "POST",
      headers: {
        "content-type": "application/octet-stream",
        "inference-header-content-length": String(headerLength),
      },
      body,
    });
    expect(answer.status).toBe(200);
    const length = Number(answer.headers["inference-header-content-length"]);
    expect(decodeResponse(answer.bytes, length).outputs).toEqual([{ ...tensor, name: "y" }]);
  });

  it("takes the bytes of the only input as they are", async () => {
    const answer = await call("/v2/models/same/infer", {
      method: "POST",
      headers: { "content-type": "application/octet-stream", "inference-header-content-length": "0" },
      body: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer),
    });
    const length = Number(answer.headers["inference-header-content-length"]);
    expect(decodeResponse(answer.bytes, length).outputs).toEqual([
      { name: "y", datatype: "FP32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
    ]);
  });

  it.each<[string, number, string, () => Promise<Answered>]>([
    ["a model that is not here", 404, "NOT_FOUND", () => infer(pair, {}, "ocr")],
    ["a path that is not served", 404, "NOT_FOUND", () => call("/api/v1/nodes")],
    ["a wrong method", 405, "METHOD_NOT_ALLOWED", () => call("/v2/models/same/infer")],
    ["a body that is no JSON", 400, "INVALID_REQUEST", () => infer('{"inputs": [')],
    [
      "a shape that does not fit",
      400,
      "INVALID_REQUEST",
      () => infer({ inputs: [{ ...pair.inputs[0], shape: [2, 2] }] }),
    ],
    ["a missing input", 400, "INVALID_REQUEST", () => infer({ inputs: [] })],
    ["a media type of a picture", 415, "UNSUPPORTED_MEDIA_TYPE", () => infer(pair, { "content-type": "image/png" })],
    ["an encoding that is not served", 415, "UNSUPPORTED_MEDIA_TYPE", () => infer(pair, { "content-encoding": "br" })],
    ["a deadline of no time", 400, "INVALID_REQUEST", () => infer(pair, { "skerry-timeout-ms": "0" })],
    ["a residency that is misspelt", 400, "INVALID_REQUEST", () => infer(pair, { "skerry-residency": "edge" })],
    ["a body over the limit, here of 8 MiB", 413, "TOO_LARGE", () => infer(`"${"x".repeat(8 * 1_048_576)}"`)],
    [
      "a header length beyond the body",
      400,
      "INVALID_REQUEST",
      () => infer(pair, { "inference-header-content-length": "9999" }),
    ],
    ["loading by request", 501, "NOT_SERVED", () => call("/v2/repository/models/same/load", { method: "POST" })],
    ["an explanation", 501, "NOT_SERVED", () => call("/v2/models/same:explain", { method: "POST" })],
  ])("refuses %s with %i %s and a sentence", async (_what, status, code, send) => {
    const answer = await send();
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([status, code]);
    expect(answer.json).toEqual({ error: expect.stringMatching(/\w+ \w+ \w+/) });
    if (status === 405) expect(answer.headers["allow"]).toBe("POST");
    expect((await infer(pair)).status).toBe(200);
  });

  it("lists versions with their states, or the ready ones only", async () => {
    facts.placements = [
      aPlacement("same", identity, { version: "10" }),
      aPlacement("same", identity),
      aPlacement("broken", identity, { state: "failed", detail: "LOAD_FAILED: the model hangs" }),
    ];
    const index = await call("/v2/repository/index", { method: "POST" });
    expect(index.json).toEqual([
      { name: "broken", version: "3", state: "UNAVAILABLE", reason: "LOAD_FAILED: the model hangs" },
      { name: "same", version: "3", state: "READY", reason: "" },
      { name: "same", version: "10", state: "READY", reason: "" },
    ]);
    const ready = await call("/v2/repository/index", { method: "POST", body: '{"ready":true}' });
    expect(ready.json).toHaveLength(2);
    expect((await call("/v2/health/ready")).status).toBe(503);
    const refused = await infer(pair, {}, "broken");
    expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "1"]);
  });

  it("is ready with one of its models, where that was said to be enough", async () => {
    await api.close();
    const placements = [aPlacement("same", identity), aPlacement("loop", loop, { state: "loading" })];
    await open({ readyWhen: "any", placements });
    expect((await call("/v2/health/ready")).json).toEqual({ ready: true });
  });

  it("lists a version that two deployments placed here once, in the better state of the two", async () => {
    facts.placements = [
      aPlacement("same", identity, { state: "warming" }),
      aPlacement("same", identity, { deployment: "canary" }),
    ];
    const index = await call("/v2/repository/index", { method: "POST" });
    expect(index.json).toEqual([{ name: "same", version: "3", state: "READY", reason: "" }]);
  });

  it("shows the signature of a model that is not loaded yet, from its manifest", async () => {
    const loading = { state: "loading", signature: undefined } as const;
    facts.placements = [aPlacement("same", identity, loading)];
    expect((await call("/v2/models/same")).headers["skerry-error"]).toBe("MODEL_NOT_READY");
    facts.declared["sha256:same"] = { inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }], outputs: [] };
    expect((await call("/v2/models/same")).json).toEqual({
      name: "same",
      versions: ["3"],
      platform: "onnx_onnxv1",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
      outputs: [],
      properties: { "skerry.version": "3", "skerry.artifact": "sha256:same" },
    });
  });

  it("answers 504 when the caller's time is over, while the model goes on", async () => {
    const answer = await infer(turns(3_000), { "skerry-timeout-ms": "60" }, "loop");
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([504, "DEADLINE_EXCEEDED"]);
    await eventually("the model is free again", async () => (await infer(turns(0), {}, "loop")).status === 200);
  });

  it("forgets the requests of callers who went away", async () => {
    const slow = infer(turns(5_000), {}, "loop");
    await eventually("the model is busy", () => worker.inFlight === 1);
    const gone = Array.from({ length: 3 }, () => {
      const request = httpRequest({ port, path: "/v2/models/loop/infer", method: "POST", agent });
      request.on("error", () => undefined);
      request.end(JSON.stringify(turns(1)));
      return request;
    });
    await eventually("all are queued", () => worker.inFlight === 4);
    for (const request of gone) request.destroy();
    await eventually("only the first is left", () => worker.inFlight === 1);
    expect((await slow).status).toBe(200);
  });

  it("says that it drains, and that it is no longer ready", async () => {
    worker.drain();
    facts.draining = true;
    const refused = await infer(pair);
    expect([refused.status, refused.headers["skerry-error"], refused.headers["connection"]]).toEqual([
      503,
      "DRAINING",
      "close",
    ]);
    expect((await call("/readyz")).status).toBe(503);
    expect((await call("/livez")).status).toBe(200);
  });

  it("is ready for probes while it serves, whether the control plane is there or not", async () => {
    facts.connected = false;
    expect((await call("/readyz")).status).toBe(200);
    facts.placements = [];
    expect((await call("/readyz")).json).toEqual({
      ready: false,
      reasons: ["not connected to a control plane, and nothing is ready here"],
    });
  });

  it("says to probes and on its page that it was removed, and what to do", async () => {
    facts.removed = true;
    const { status, json } = await call("/readyz");
    expect([status, JSON.stringify(json)]).toEqual([
      503,
      expect.stringContaining("was removed from its control plane"),
    ]);
    expect((await call("/")).bytes.toString("utf8")).toContain(
      "run `skerry join` with a new token and the same folder",
    );
  });

  it("keeps an idle connection for longer than the proxies in front do", async () => {
    const { headers } = await call("/livez", { headers: { connection: "keep-alive" } });
    expect(headers["keep-alive"]).toBe("timeout=75");
  });

  it("serves a request that offers HTTP/2, as Java's HttpClient does", async () => {
    const client = await RawClient.open(port);
    const offer = { Connection: "Upgrade, HTTP2-Settings", Upgrade: "h2c", "HTTP2-Settings": "AAEAAEAA" };
    const tensor = { name: "x", datatype: "FP32" as const, shape: [1, 2], data: Float32Array.of(1, -2.5) };
    const { body } = encodeRequest({ inputs: [{ tensor, binary: false }] });
    for (const count of [1, 2]) {
      await client.send(postHead("/v2/models/same/infer", { ...offer, "Content-Length": body.byteLength }));
      await client.send(body);
      await eventually("an answer", () => client.received.match(/HTTP\/1\.1 200 OK/g)?.length === count);
    }
    expect(client.received).toContain("reason=local");
    client.vanish();
  });

  it("counts its answers, and makes no series of what callers invent", async () => {
    await infer(pair);
    await infer(pair, {}, "invented");
    const text = (await call("/metrics")).bytes.toString("utf8");
    expect(text).toContain('skerry_node_inferences_total{model="same",code="OK"} 1');
    expect(text).toContain('skerry_node_inferences_total{model="unknown",code="NOT_FOUND"} 1');
    expect(text).not.toContain("invented");
    expect(text).toMatch(/skerry_node_model_host_resident_bytes\{model="same",version="3"\} [1-9]/);
  });

  it("shows a technician a page without a script, and trusts no name", async () => {
    facts.placements = [aPlacement("same", identity, { deployment: "<script>alert(1)</script>" })];
    facts.connected = false;
    const { headers, bytes } = await call("/");
    const page = bytes.toString("utf8");
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page).toContain("the control plane is away; this node serves on");
    expect(page).not.toContain("<script>");
  });
});

describe("a cloud node's own API", () => {
  it("refuses what may only run at the edge", async () => {
    await open({ kind: "cloud" });
    const asked = await infer(pair, { "skerry-residency": "edge-only" });
    expect([asked.status, asked.headers["skerry-error"]]).toEqual([403, "EDGE_ONLY"]);
    facts.placements = [aPlacement("same", identity, { isEdgeOnly: true })];
    expect((await infer(pair)).status).toBe(403);
  });
});

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
    await open(over, keys);
    client = new GrpcClient(await grpc.listen({ host: "127.0.0.1", port: 0 }));
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
    const file = path.join(directory, "grpc-keys");
    await writeFile(file, createHash("sha256").update("first").digest("hex"));
    await openGrpc({}, await LocalKeys.open(file));
    expect((await client.call("ModelInfer", request())).error?.code).toBe(16);
    expect((await client.call("ModelInfer", request(), { key: "first" })).error).toBeUndefined();
    expect((await client.call("ServerReady", {})).message).toEqual({ ready: true });
  });
});

describe("a node's API with keys", () => {
  const hashOf = (key: string): string => createHash("sha256").update(key).digest("hex");
  let file: string;

  beforeEach(async () => {
    file = path.join(directory, "keys");
    await writeFile(file, `# the dock's till\n${hashOf("first")}  till\n`);
    await open({}, await LocalKeys.open(file));
  });

  const withKey = (key: string): Promise<Answered> => infer(pair, { authorization: `Bearer ${key}` });

  it("asks for one that is in its file, but not for its probes", async () => {
    expect((await infer(pair)).status).toBe(401);
    const { headers } = await withKey("second");
    expect([headers["skerry-error"], headers["www-authenticate"]]).toEqual(["UNAUTHENTICATED", "Bearer"]);
    expect((await withKey("first")).status).toBe(200);
    expect((await call("/v2/models")).status).toBe(401);
    expect((await call("/metrics")).status).toBe(401);
    expect((await call("/")).status).toBe(401);
    for (const probe of ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/v2"])
      expect((await call(probe)).status).toBe(200);
  });

  it("takes up a changed file at once, and keeps the old keys when it is damaged", async () => {
    await writeFile(file, `${hashOf("first")}\n${hashOf("second")}\n`);
    expect((await withKey("second")).status).toBe(200);
    await writeFile(file, "second\n");
    expect((await withKey("second")).status).toBe(200);
    await expect(LocalKeys.open(file)).rejects.toThrow(/line 1: not a SHA-256/);
  });
});
