import { describe, expect, it } from "@jest/globals";
import { applyLoad, type Ask, MAX_IN_FLIGHT } from "../../../../cli/bench/load.ts";
import { madeUpRequest } from "../../../../cli/bench/made-up-input.ts";
import { type Sample, summarize } from "../../../../cli/bench/samples.ts";
import { sleep } from "../../../../shared/base/clock.ts";
import { TestClock } from "../../../support/test-clock.ts";

const signal = new AbortController().signal;
const ok = (ms: number, node = "edge-a"): Sample => ({ ms, code: "OK", node });

describe("a load", () => {
  const answersAfter =
    (clock: TestClock, ms: number): Ask =>
    async (dueAt) => {
      await sleep(clock, ms);
      return ok(clock.now() - dueAt);
    };

  it("of callers has as many requests under way as there are callers", async () => {
    const clock = new TestClock();
    const load = applyLoad(
      answersAfter(clock, 100),
      { callers: 3, durationMs: 1_000, maxRequests: 1e6 },
      { clock, signal },
    );
    await clock.advance(1_100);
    expect((await load).map(({ ms }) => ms)).toEqual(Array.from({ length: 30 }, () => 100));
  });

  it("at a rate does not wait for answers, and counts time from when a request was due", async () => {
    const clock = new TestClock();
    const load = applyLoad(
      answersAfter(clock, 500),
      { rate: 10, durationMs: 1_000, maxRequests: 1e6 },
      { clock, signal },
    );
    await clock.advance(2_000);
    expect((await load).map(({ ms }) => Math.round(ms))).toEqual(Array.from({ length: 10 }, () => 500));
  });

  it("at a rate has a bound of requests under way, and says of the others that they were not sent", async () => {
    const clock = new TestClock();
    const shape = { rate: 10_000, durationMs: 200, maxRequests: 1e6 };
    const load = applyLoad(answersAfter(clock, 10_000), shape, { clock, signal });
    await clock.advance(11_000);
    const samples = await load;
    expect(samples.filter(({ code }) => code === "OK")).toHaveLength(MAX_IN_FLIGHT);
    expect(samples).toHaveLength(2_000);
  });

  it("ends after the requests that were asked for", async () => {
    const clock = new TestClock();
    const load = applyLoad(
      answersAfter(clock, 1),
      { callers: 4, durationMs: 60_000, maxRequests: 10 },
      { clock, signal },
    );
    await clock.advance(100);
    expect(await load).toHaveLength(10);
  });
});

describe("the summary of a load", () => {
  it("has percentiles, goodput, tokens, errors and where requests were served", () => {
    const samples = [
      ...Array.from({ length: 98 }, (_, at): Sample => ({ ...ok(at + 1, at < 49 ? "edge-a" : "edge-b"), tokens: 2 })),
      { ms: 1, code: "QUEUE_FULL", node: undefined },
      { ms: 1, code: "QUEUE_FULL", node: undefined },
    ];
    const found = summarize(samples, { seconds: 10, withinMs: 49 });
    expect(found).toMatchObject({
      requests: 100,
      answered: 98,
      answersPerS: 9.8,
      goodputPerS: 4.9,
      tokensPerS: 19.6,
      latency: { p50Ms: 49, p95Ms: 94, maxMs: 98 },
      errors: { QUEUE_FULL: 2 },
    });
    expect(found.nodes.map(({ node, requests, share }) => [node, requests, share])).toEqual([
      ["edge-a", 49, 0.5],
      ["edge-b", 49, 0.5],
    ]);
  });

  it("has no latency and no goodput where nothing says them", () => {
    const found = summarize([{ ms: 5, code: "LATE", node: undefined }], { seconds: 1, withinMs: null });
    expect(found).toMatchObject({ latency: null, goodputPerS: null, tokensPerS: null, nodes: [] });
  });
});

describe("a made-up request", () => {
  it("has one row of the right shape and kind, and leaves out what may be left out", () => {
    const parameters = { optional: true } as const;
    expect(
      madeUpRequest([
        { name: "image", datatype: "FP32", shape: [-1, 2] },
        { name: "ids", datatype: "INT64", shape: [-1, 3] },
        { name: "mask", datatype: "BOOL", shape: [2] },
        { name: "text", datatype: "BYTES", shape: [-1] },
        { name: "more", datatype: "FP32", shape: [1], parameters },
      ]),
    ).toEqual({
      inputs: [
        { name: "image", datatype: "FP32", shape: [1, 2], data: [0, 0.1] },
        { name: "ids", datatype: "INT64", shape: [1, 3], data: [0, 1, 0] },
        { name: "mask", datatype: "BOOL", shape: [2], data: [false, true] },
        { name: "text", datatype: "BYTES", shape: [1], data: ["skerry"] },
      ],
    });
  });

  it("is not made for an input that is too large", () => {
    expect(() => madeUpRequest([{ name: "x", datatype: "FP32", shape: [1, 5_000_000] }])).toThrow(
      "too much to make up",
    );
  });
});
