import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  addHistograms,
  bucketOf,
  countAbove,
  countOf,
  edgeMs,
  quantileMs,
} from "../../../../../../control-plane/core/rollout/gate/latency-histogram.ts";

const histogramOf = (latencies: readonly number[]): readonly number[] => {
  const counts: number[] = [];
  for (const ms of latencies) {
    const bucket = bucketOf(ms);
    while (counts.length <= bucket) counts.push(0);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return counts;
};

const latency = fc.double({ min: 0, max: 60_000, noNaN: true });

describe("latency histogram", () => {
  it("puts a latency into the bucket whose edges enclose it", () => {
    fc.assert(
      fc.property(latency, (ms) => {
        const bucket = bucketOf(ms);
        expect(ms).toBeLessThanOrEqual(edgeMs(bucket) * (1 + 1e-9));
        if (bucket > 0) expect(ms).toBeGreaterThan(edgeMs(bucket - 1) * (1 - 1e-9));
      }),
    );
  });

  it("knows quantiles within 9.1 %", () => {
    const latencies = Array.from({ length: 1_000 }, (_, index) => 1 + index);
    const p95 = quantileMs(histogramOf(latencies), 0.95) ?? 0;
    expect(p95).toBeGreaterThanOrEqual(950);
    expect(p95).toBeLessThanOrEqual(950 * 1.091);
    expect(quantileMs([], 0.95)).toBeUndefined();
  });

  it("never counts a latency as above its own value", () => {
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1 }), latency, (latencies, ms) => {
        const above = latencies.filter((each) => each > ms).length;
        expect(countAbove(histogramOf(latencies), ms)).toBeLessThanOrEqual(above);
      }),
    );
  });

  it("adds up", () => {
    fc.assert(
      fc.property(fc.array(latency), fc.array(latency), (a, b) => {
        const sum = addHistograms(histogramOf(a), histogramOf(b));
        expect(sum).toEqual(histogramOf([...a, ...b]));
        expect(countOf(sum)).toBe(a.length + b.length);
      }),
    );
  });
});
