import { describe, expect, it } from "@jest/globals";
import { AnswerInPieces } from "../../../../../edge-node/model-host/link/event-link.ts";
import { TextAnswer } from "../../../../../edge-node/model-host/text/text-answer.ts";
import type { TextPlan } from "../../../../../edge-node/model-host/text/text-plan.ts";
import { GREEDY } from "../../../../../edge-node/model-host/text/text-runtime.ts";
import { eventually } from "../../../../support/eventually.ts";
import { WordRuntime } from "../../../../support/models/text/word-runtime.ts";

interface Case {
  readonly logprobs: readonly number[];
  readonly maxTokens?: number;
  readonly choices?: number;
  readonly streams?: boolean;
  readonly isCancelled?: () => boolean;
}

/** Measures 3 tokens, which have to be −1 or more on average. */
function anAnswer({ logprobs, maxTokens = 6, choices = 1, streams = true, isCancelled = () => false }: Case) {
  const plan: TextPlan = {
    question: {
      openai: "completion",
      doubt: { tokens: 3, meanLogprob: -1 },
      request: { model: "m", prompt: "a", n: choices },
    },
    choices: Array.from({ length: choices }, () => ({ prompt: [1], sampling: GREEDY })),
    promptTokens: 1,
    maxTokens,
    stops: [],
    streams,
    includesUsage: false,
    mayCall: false,
  };
  const runtime = new WordRuntime({ logprobs });
  /** What was found, and how many tokens had been made by then. */
  const begun: (readonly [isDoubtful: boolean, tokens: number])[] = [];
  let written = "";
  const answer: TextAnswer = new TextAnswer({
    plan,
    runtime,
    version: "1",
    begin: ({ isDoubtful }) => {
      begun.push([isDoubtful, answer.usage.outputTokens]);
      return new AnswerInPieces((_, body) => (written += new TextDecoder().decode(body)));
    },
    isCancelled,
    onStep: () => undefined,
  });
  return { answer, runtime, begun, written: () => written };
}

/** The texts of a stream's events, joined. */
const textIn = (events: string): string => [...events.matchAll(/"text":"(a*)"/g)].map(([, text]) => text).join("");

describe("TextAnswer, doubt", () => {
  it("begins when it is measured, and sends what was held back", async () => {
    const { answer, begun, written } = anAnswer({ logprobs: [-0.5, -0.5, -0.5, -9] });
    await answer.send();
    expect(begun).toEqual([[false, 3]]);
    expect(textIn(written())).toBe("aaaaaa");
    expect(written().endsWith("data: [DONE]\n\n")).toBe(true);
  });

  it("is in doubt when the mean of the first tokens is below the threshold, and goes on", async () => {
    const { answer, begun, written } = anAnswer({ logprobs: [-0.5, -0.5, -2.1] });
    await answer.send();
    expect(begun).toEqual([[true, 3]]);
    expect(textIn(written())).toBe("aaaaaa");
  });

  it("measures a shorter answer as far as it goes", async () => {
    const { answer, begun, written } = anAnswer({ logprobs: [-4, 0], maxTokens: 2, streams: false });
    await answer.send();
    expect(begun).toEqual([[true, 2]]);
    expect(JSON.parse(written())).toMatchObject({ choices: [{ text: "aa" }] });
  });

  it("measures the first choice, and holds the others back meanwhile", async () => {
    const { answer, begun, written } = anAnswer({ logprobs: [-2, -2, -2], choices: 2 });
    await answer.send();
    expect(begun).toHaveLength(1);
    expect(begun[0]?.[0]).toBe(true);
    expect(textIn(written())).toBe("aaaaaaaaaaaa");
  });

  it("never begins when its caller goes away while it is measured", async () => {
    const { answer, begun, runtime }: ReturnType<typeof anAnswer> = anAnswer({
      logprobs: [],
      isCancelled: () => answer !== undefined && answer.usage.outputTokens >= 2,
    });
    await answer.send();
    await eventually("its generation has ended", () => runtime.running === 0);
    expect([begun, answer.pieces]).toEqual([[], undefined]);
  });
});
