import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { TextPace } from "../../../../../control-plane/core/routing/text-pace.ts";

/** 4 bytes a token, 2 ms for a token of a prompt, 10 ms for one of the answer. */
const run = (promptTokens: number, cachedTokens: number, outputTokens: number) => ({
  bytes: 4 * promptTokens,
  promptTokens,
  cachedTokens,
  outputTokens,
  firstMs: 2 * (promptTokens - cachedTokens),
  restMs: 10 * (outputTokens - 1),
});

describe("TextPace", () => {
  it("knows nothing before the first answer", () => {
    const pace = new TextPace();
    expect([pace.firstMs(1_000), pace.restMs]).toEqual([undefined, 0]);
  });

  it("expects a prompt to take as long as its tokens, whatever was in the cache before", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 10, max: 4_000 }), fc.double({ min: 0, max: 0.9, noNaN: true })), {
          minLength: 1,
        }),
        (prompts) => {
          const pace = new TextPace();
          for (const [tokens, cached] of prompts) pace.add(run(tokens, Math.floor(tokens * cached), 5));
          expect(pace.firstMs(2_000)).toBeCloseTo(1_000, 3);
        },
      ),
    );
  });

  it("expects an answer as long as the last ones, token by token", () => {
    const pace = new TextPace();
    for (let answer = 0; answer < 50; answer += 1) pace.add(run(100, 0, 21));
    expect(pace.restMs).toBeCloseTo(200, 6);
  });

  it("follows a machine that becomes slower", () => {
    const pace = new TextPace();
    for (let answer = 0; answer < 50; answer += 1) pace.add(run(100, 0, 21));
    for (let answer = 0; answer < 50; answer += 1) pace.add({ ...run(100, 0, 21), firstMs: 2_000, restMs: 2_000 });
    expect(pace.firstMs(400)).toBeGreaterThan(1_900);
    expect(pace.restMs).toBeGreaterThan(1_900);
  });
});
