import { describe, expect, it } from "@jest/globals";
import { AnswerInPieces } from "../../../../../edge-node/model-host/link/event-link.ts";
import { TextAnswer } from "../../../../../edge-node/model-host/text/text-answer.ts";
import type { TextPlan } from "../../../../../edge-node/model-host/text/text-plan.ts";
import { eventually } from "../../../../support/eventually.ts";
import { WordRuntime } from "../../../../support/models/word-runtime.ts";

const sampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  seed: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  format: undefined,
};

const planOf = (choices: number): TextPlan => ({
  question: { openai: "completion", request: { model: "m", prompt: "a", n: choices } },
  choices: Array.from({ length: choices }, () => ({ prompt: [1], sampling })),
  promptTokens: 1,
  maxTokens: 2,
  stops: [],
  streams: false,
  includesUsage: false,
});

const answerOf = (runtime: WordRuntime, choices: number): TextAnswer =>
  new TextAnswer({
    plan: planOf(choices),
    runtime,
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
    const usage = await answerOf(runtime, 8).send();
    expect(runtime.mostAtOnce).toBe(places.held);
    expect(usage.outputTokens).toBe(16);
  });

  it("begins no further choice when one has failed", async () => {
    const runtime = new WordRuntime({ sequences: 3, failsAt: 1 });
    await expect(answerOf(runtime, 8).send()).rejects.toThrow("out of memory");
    await eventually("all generations have ended", () => runtime.running === 0);
    expect(runtime.begun).toBe(2);
  });
});
