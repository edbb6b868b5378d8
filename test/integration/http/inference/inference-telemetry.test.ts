import { afterEach, describe, expect, it } from "@jest/globals";
import type { InferenceResponse, InferenceRequest } from "../../../../control-plane/app/inference/inference-request.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Logger } from "../../../../shared/base/logging/logger.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { anAnswer, openHttpApi, type OpenHttpApi } from "../support/open-http-api.ts";

let api: OpenHttpApi;
afterEach(() => api.close());

interface Line {
  readonly level: string;
  readonly fields: Record<string, unknown>;
}

/** A api whose inferences end as `reply` says; what it logs about inferences is kept, and what it hands on. */
async function watchedDoor(reply: () => InferenceResponse): Promise<{ lines: Line[]; asked: InferenceRequest[] }> {
  const lines: Line[] = [];
  const asked: InferenceRequest[] = [];
  const keep =
    (level: string): Logger["info"] =>
    (fields, message) => {
      if (message === "inference") lines.push({ level, fields: { ...fields } });
    };
  api = await openHttpApi({
    logger: { ...silentLogger, info: keep("info"), warn: keep("warn") },
    infer: async (request) => {
      asked.push(request);
      return reply();
    },
  });
  return { lines, asked };
}

const infer = (headers: Record<string, string> = {}, model = "digits") =>
  api.call("POST", `/v2/models/${model}/infer`, {
    key: api.keyOf.application,
    bytes: Buffer.from("{}"),
    headers,
  });

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const sampled = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, "X-Request-Id": "r-1" };

const ANSWERED = anAnswer({
  node: "edge-a",
  modelVersion: "digits:3",
  route: { placement: "p-1", reason: "near-tie", etaMs: 3, candidates: 2, attempt: 1 },
  timing: { routeMs: 0.1, wireMs: 1, queueMs: 20, inferMs: 40 },
});

describe("the trace of an inference", () => {
  it("goes on to the node with a span of this hop", async () => {
    const { asked } = await watchedDoor(() => ANSWERED);
    await infer(sampled);
    expect(asked[0]?.traceparent).toMatch(new RegExp(`^00-${TRACE}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`));
  });

  it("is not taken from a broken header", async () => {
    const { asked } = await watchedDoor(() => ANSWERED);
    await infer({ traceparent: `00-${TRACE}-broken-01` });
    expect(asked[0]?.traceparent ?? "").not.toContain(TRACE);
  });
});

describe("the log of inferences", () => {
  it("has a line for a sampled request: who, where, why there, how long, and no tensor", async () => {
    const { lines } = await watchedDoor(() => ANSWERED);
    await infer(sampled);
    expect(lines).toEqual([
      {
        level: "info",
        fields: {
          requestId: "r-1",
          traceId: TRACE,
          spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
          model: "digits",
          modelVersion: "digits:3",
          node: "edge-a",
          reason: "near-tie",
          attempt: 1,
          code: "OK",
          ms: expect.any(Number),
          queueMs: 20,
          inferMs: 40,
        },
      },
    ]);
  });

  it("is silent about what went well unsampled", async () => {
    const { lines } = await watchedDoor(() => ANSWERED);
    await infer({ traceparent: `00-${TRACE}-00f067aa0ba902b7-00` });
    expect(lines).toEqual([]);
  });

  it("has a line for what failed or was tried twice, but not one for each of a flood", async () => {
    const { lines } = await watchedDoor(() => {
      throw new SkerryError("NODE_LOST", "edge-a went away");
    });
    for (let i = 0; i < 40; i += 1) await infer();
    expect(lines.length).toBeGreaterThanOrEqual(20);
    expect(lines.length).toBeLessThan(35);
    expect(lines[0]).toMatchObject({ level: "warn", fields: { code: "NODE_LOST", model: "digits" } });
  });
});

describe("the metrics of inferences", () => {
  const metrics = async (): Promise<string> =>
    (await api.call("GET", "/metrics", { key: api.keyOf.viewer })).bytes.toString("utf8");

  it("count by model and version, by node and by reason, and measure queue and run", async () => {
    await watchedDoor(() => ANSWERED);
    await infer();
    const text = await metrics();
    for (const line of [
      'skerry_inferences_total{model="digits",version="3",code="OK"} 1',
      'skerry_node_answers_total{node="edge-a",code="OK"} 1',
      'skerry_routes_total{reason="near-tie"} 1',
      'skerry_inference_queue_seconds_sum{model="digits"} 0.02',
      'skerry_inference_compute_seconds_sum{model="digits"} 0.04',
      "skerry_inferences_in_flight 0",
    ])
      expect(text).toContain(line);
  });

  it("name no model that a caller made up", async () => {
    await watchedDoor(() => ANSWERED);
    await infer({}, "made-up");
    const text = await metrics();
    expect(text).not.toContain("made-up");
    expect(text).toContain('skerry_inferences_total{model="none",version="none",code="NOT_FOUND"} 1');
  });
});
