import { describe, expect, it } from "@jest/globals";
import { AnswerWindow } from "../../../../../control-plane/core/traffic/answer-window.ts";

const NOW = 1_000_000;
const figures = (window: AnswerWindow, now: number) => AnswerWindow.figures([window], now);

describe("the answers of the last minute", () => {
  it("have rates over the time in which they were counted", () => {
    const window = new AnswerWindow(NOW);
    for (let at = 0; at < 20; at += 1) window.ended(NOW + at * 100, { ms: 10, isError: at % 4 === 0 });
    window.wrote(NOW + 1_000, 50);
    const { requests, ratePerS, errorsPerS, tokensPerS } = figures(window, NOW + 2_000);
    expect([requests, ratePerS, errorsPerS, tokensPerS]).toEqual([20, 10, 2.5, 25]);
  });

  it("have percentiles within 5 % of the right ones", () => {
    const window = new AnswerWindow(NOW);
    for (let ms = 1; ms <= 1_000; ms += 1) window.ended(NOW, { ms, isError: false });
    const { p50Ms, p95Ms, p99Ms } = figures(window, NOW + 1_000);
    for (const [found, right] of [
      [p50Ms, 500],
      [p95Ms, 950],
      [p99Ms, 990],
    ] as const)
      expect(Math.abs((found ?? 0) - right) / right).toBeLessThan(0.05);
  });

  it.each([0, 0.01, 100_000_000])("take a latency of %d ms into their first or last step", (ms) => {
    const window = new AnswerWindow(NOW);
    window.ended(NOW, { ms, isError: false });
    expect(figures(window, NOW).p50Ms).toBeGreaterThan(0);
  });

  it("are forgotten within a minute, a part of them at a time", () => {
    const window = new AnswerWindow(NOW);
    window.ended(NOW, { ms: 1, isError: false });
    window.ended(NOW + 30_000, { ms: 1_000, isError: false });
    expect(figures(window, NOW + 30_000).requests).toBe(2);
    const later = figures(window, NOW + 65_000);
    expect([later.requests, (later.p50Ms ?? 0) > 900]).toEqual([1, true]);
    expect([window.isIdle(NOW + 85_000), window.isIdle(NOW + 91_000)]).toEqual([false, true]);
    expect(figures(window, NOW + 500_000)).toEqual({
      requests: 0,
      ratePerS: 0,
      errorsPerS: 0,
      tokensPerS: 0,
      p50Ms: null,
      p95Ms: null,
      p99Ms: null,
    });
  });

  it("say nothing of the latency of requests without an answer", () => {
    const window = new AnswerWindow(NOW);
    window.ended(NOW, { ms: undefined, isError: true });
    expect(figures(window, NOW)).toMatchObject({ requests: 1, errorsPerS: 1, p95Ms: null });
  });

  it("of several subjects are as those of one", () => {
    const [fast, slow] = [new AnswerWindow(NOW), new AnswerWindow(NOW)];
    for (let at = 0; at < 90; at += 1) fast.ended(NOW, { ms: 1, isError: false });
    for (let at = 0; at < 10; at += 1) slow.ended(NOW, { ms: 1_000, isError: false });
    const { requests, p50Ms, p95Ms } = AnswerWindow.figures([fast, slow], NOW + 1_000);
    expect(requests).toBe(100);
    expect(p50Ms).toBeLessThan(2);
    expect(p95Ms).toBeGreaterThan(900);
  });
});
