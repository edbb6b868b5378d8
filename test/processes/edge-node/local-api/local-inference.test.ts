import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { request as httpRequest } from "node:http";
import { encodeRequest } from "../../../../shared/inference/request.ts";
import { decodeResponse } from "../../../../shared/inference/response.ts";
import { eventually } from "../../../support/eventually.ts";
import { postHead, RawClient } from "../../../support/network/raw-client.ts";
import { modelHostsOf } from "../../../support/processes/process-facts.ts";
import { aPlacement, LocalApiRig, pair, turns, type Answered } from "../support/local-api-rig.ts";

const rig = new LocalApiRig();
const { call, infer } = rig;
beforeAll(() => rig.startHosts());
afterAll(() => rig.stopHosts());
afterEach(() => rig.close());

/** So that what runs still runs when the rest of a test has happened, however busy this machine is. */
async function whileModelsStandStill<T>(act: () => Promise<T>): Promise<T> {
  const hosts = await modelHostsOf(process.pid);
  expect(hosts.length).toBeGreaterThanOrEqual(2);
  for (const pid of hosts) process.kill(pid, "SIGSTOP");
  try {
    return await act();
  } finally {
    for (const pid of hosts) process.kill(pid, "SIGCONT");
  }
}

describe("inference at a node's own API", () => {
  beforeEach(() => rig.open());

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
    expect(rig.lines).toEqual([]);
    await infer(pair, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` });
    expect(rig.lines).toEqual([
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

  it("explains an answer, and counts no run for it", async () => {
    const counted = async (): Promise<unknown> => (await call("/v2/models/same/stats")).json;
    const before = await counted();
    const answer = await call("/v2/models/same:explain", { method: "POST", body: JSON.stringify(pair) });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ outputs: [{ name: "y" }, { name: "explanation", datatype: "FP32" }] });
    expect(await counted()).toEqual(before);
    const { json: metadata } = await call("/v2/models/same");
    expect(metadata).toMatchObject({ properties: { "skerry.explainers": expect.stringContaining("shapley") } });
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
    [
      "an explanation by a method that is not declared",
      400,
      "INVALID_REQUEST",
      () => infer({ ...pair, parameters: { skerry_explain: "lime" } }),
    ],
  ])("refuses %s with %i %s and a sentence", async (_what, status, code, send) => {
    const answer = await send();
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([status, code]);
    expect(answer.json).toEqual({ error: expect.stringMatching(/\w+ \w+ \w+/) });
    if (status === 405) expect(answer.headers["allow"]).toBe("POST");
    expect((await infer(pair)).status).toBe(200);
  });

  it("answers 504 when the caller's time is over, while the model goes on", async () => {
    const answer = await whileModelsStandStill(() => infer(turns(1), { "skerry-timeout-ms": "60" }, "loop"));
    expect([answer.status, answer.headers["skerry-error"]]).toEqual([504, "DEADLINE_EXCEEDED"]);
    await eventually("the model is free again", async () => (await infer(turns(0), {}, "loop")).status === 200);
  });

  it("forgets the requests of callers who went away", async () => {
    const { first } = await whileModelsStandStill(async () => {
      const running = infer(turns(1), {}, "loop");
      await eventually("the model is busy", () => rig.worker.inFlight === 1);
      const gone = Array.from({ length: 3 }, () => {
        const request = httpRequest({
          port: rig.port,
          path: "/v2/models/loop/infer",
          method: "POST",
          agent: rig.agent,
        });
        request.on("error", () => undefined);
        request.end(JSON.stringify(turns(1)));
        return request;
      });
      await eventually("all are queued", () => rig.worker.inFlight === 4);
      for (const request of gone) request.destroy();
      await eventually("only the first is left", () => rig.worker.inFlight === 1);
      return { first: running };
    });
    expect((await first).status).toBe(200);
  });

  it("serves a request that offers HTTP/2, as Java's HttpClient does", async () => {
    const client = await RawClient.open(rig.port);
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
});

describe("a cloud node's own API", () => {
  it("refuses what may only run at the edge", async () => {
    await rig.open({ kind: "cloud" });
    const asked = await infer(pair, { "skerry-residency": "edge-only" });
    expect([asked.status, asked.headers["skerry-error"]]).toEqual([403, "EDGE_ONLY"]);
    rig.facts.placements = [aPlacement("same", rig.identity, { isEdgeOnly: true })];
    expect((await infer(pair)).status).toBe(403);
  });
});
