import { describe, expect, it } from "@jest/globals";
import { AnswerInPieces } from "../../../../../edge-node/model-host/link/event-link.ts";
import { TextAnswer } from "../../../../../edge-node/model-host/text/text-answer.ts";
import type { TextPlan } from "../../../../../edge-node/model-host/text/text-plan.ts";
import { GREEDY } from "../../../../../edge-node/model-host/text/text-runtime.ts";
import { INITIAL_CREDIT_BYTES } from "../../../../../shared/protocol/limits.ts";
import { eventually } from "../../../../support/eventually.ts";
import { WordRuntime } from "../../../../support/models/text/word-runtime.ts";

const planOf = (choices: number, how: Partial<TextPlan> = {}): TextPlan => ({
  question: { openai: "completion", request: { model: "m", prompt: "a", n: choices } },
  choices: Array.from({ length: choices }, () => ({ prompt: [1], sampling: GREEDY })),
  promptTokens: 1,
  maxTokens: 2,
  stops: [],
  streams: false,
  includesUsage: false,
  mayCall: false,
  ...how,
});

const answerOf = (runtime: WordRuntime, choices: number): TextAnswer =>
  new TextAnswer({
    plan: planOf(choices),
    runtime,
    version: "1",
    begin: () => new AnswerInPieces(() => undefined),
    isCancelled: () => false,
    onStep: () => undefined,
  });

describe("TextAnswer", () => {
  it.each([
    { sequences: 4, held: 3 },
    { sequences: 2, held: 1 },
    { sequences: 1, held: 1 },
  ])("holds $held of $sequences places of the model, however many choices are asked for", async (places) => {
    const runtime = new WordRuntime({ sequences: places.sequences });
    const answer = answerOf(runtime, 8);
    await answer.send();
    expect(runtime.mostAtOnce).toBe(places.held);
    expect(answer.usage.outputTokens).toBe(16);
  });

  it("begins no further choice when one has failed", async () => {
    const runtime = new WordRuntime({ sequences: 3, failsAt: 1 });
    await expect(answerOf(runtime, 8).send()).rejects.toThrow("out of memory");
    await eventually("all generations have ended", () => runtime.running === 0);
    expect(runtime.begun).toBe(2);
  });

  it("ends the choices beside one that has failed, and writes nothing after that", async () => {
    const runtime = new WordRuntime({ sequences: 4, failsAt: 2 });
    const written: number[] = [];
    const answer = new TextAnswer({
      plan: planOf(3, { maxTokens: Infinity, streams: true }),
      runtime,
      version: "1",
      begin: () => new AnswerInPieces((_, body) => written.push(body.byteLength)),
      isCancelled: () => false,
      onStep: () => undefined,
    });
    await expect(answer.send()).rejects.toThrow("out of memory");
    const writtenByThen = written.length;
    await eventually("all generations have ended", () => runtime.running === 0);
    expect(written).toHaveLength(writtenByThen);
    expect(answer.usage.outputTokens).toBeGreaterThan(0);
  });

  it("ends an answer whose reader takes nothing, and its generation, and does not blame the model", async () => {
    const runtime = new WordRuntime();
    let [bytes, signs] = [0, 0];
    const answer = new TextAnswer({
      plan: planOf(2, { maxTokens: Infinity, streams: true }),
      runtime,
      version: "1",
      begin: () => new AnswerInPieces((_, body) => (bytes += body.byteLength)),
      isCancelled: () => false,
      onStep: () => (signs += 1),
      bounds: { readerMs: 1_200, tokenMs: 600 },
    });
    await expect(answer.send()).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: expect.stringMatching(/waited for its reader for 1200 ms in all/),
    });
    await eventually("all generations have ended", () => runtime.running === 0);
    expect(bytes).toBe(INITIAL_CREDIT_BYTES);
    expect(signs).toBeGreaterThan(0);
  });

  it("counts all waits for a reader that takes a little now and then", async () => {
    let pieces: AnswerInPieces | undefined;
    const answer = new TextAnswer({
      plan: planOf(1, { maxTokens: Infinity, streams: true }),
      runtime: new WordRuntime(),
      version: "1",
      begin: () => (pieces = new AnswerInPieces(() => undefined)),
      isCancelled: () => false,
      onStep: () => undefined,
      bounds: { readerMs: 200, tokenMs: 60_000 },
    });
    const trickle = setInterval(() => pieces?.grant(1), 20);
    await expect(answer.send()).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    clearInterval(trickle);
  });

  it("ends an answer of which no further token comes", async () => {
    const runtime = new WordRuntime({ hangsAfter: 3 });
    const answer = new TextAnswer({
      plan: planOf(1, { maxTokens: 10 }),
      runtime,
      version: "1",
      begin: () => new AnswerInPieces(() => undefined),
      isCancelled: () => false,
      onStep: () => undefined,
      bounds: { readerMs: 60_000, tokenMs: 50 },
    });
    await expect(answer.send()).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: "no token came for 50 ms within the answer",
    });
    expect(answer.usage).toMatchObject({ promptTokens: 1, outputTokens: 3 });
  });
});
