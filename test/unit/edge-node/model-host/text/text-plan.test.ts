import { describe, expect, it } from "@jest/globals";
import { ChatPrompt } from "../../../../../edge-node/model-host/text/prompt.ts";
import { planText } from "../../../../../edge-node/model-host/text/text-plan.ts";
import type { TextQuestion } from "../../../../../shared/openai/requests.ts";
import { WordRuntime } from "../../../../support/models/text/word-runtime.ts";

const completion = (prompt: string | string[]): TextQuestion => ({
  openai: "completion",
  request: { model: "m", prompt, max_tokens: 1 },
});
const chat = (content: string): TextQuestion => ({
  openai: "chat",
  request: { model: "m", messages: [{ role: "user", content }] },
});

/** A model of 16 tokens of at most 4 bytes: 64 bytes may fit. */
const plan = (question: TextQuestion, runtime: WordRuntime) => planText(question, runtime, new ChatPrompt(runtime));

/** Whose tokens have up to 400 bytes: `letters` of them each, as in a text of spaces. */
class LongWords extends WordRuntime {
  override readonly longestTokenBytes: number = 400;
  readonly #letters: number;

  constructor(letters: number) {
    super({ contextTokens: 1_000 });
    this.#letters = letters;
  }

  override tokenize(text: string): readonly number[] {
    return super.tokenize(text).filter((_, at) => at % this.#letters === 0);
  }
}

describe("planText", () => {
  it.each([
    ["a prompt", completion("a".repeat(65))],
    ["the second of two prompts", completion(["a", "é".repeat(33)])],
    ["a conversation", chat("a".repeat(65))],
  ])("refuses %s that cannot fit before it is turned into tokens", async (_, question) => {
    const runtime = new WordRuntime();
    const refusal = {
      code: "CONTEXT_TOO_LONG",
      message: expect.stringMatching(/maximum context length is 16 tokens. The prompt has 6[56] bytes; at most 64 fit/),
    };
    await expect(plan(question, runtime)).rejects.toMatchObject(refusal);
    expect(runtime.tokenized.filter((text) => text.length > 1)).toEqual([]);
  });

  it("counts the tokens of a text that might fit", async () => {
    const refusal = { code: "CONTEXT_TOO_LONG", message: expect.stringMatching(/The prompt has 64 and 1 may follow/) };
    await expect(plan(completion("a".repeat(64)), new WordRuntime())).rejects.toMatchObject(refusal);
  });

  it("makes tokens of a text of the longest tokens that fit", async () => {
    const { promptTokens } = await plan(completion("😀".repeat(15)), new WordRuntime());
    expect(promptTokens).toBe(15);
  });

  it.each([completion("a".repeat(300_000)), completion(["a", "a".repeat(300_000)]), chat("a".repeat(300_000))])(
    "makes tokens of no more of a long text than it takes to refuse it",
    async (question) => {
      const runtime = new LongWords(1);
      const refusal = { code: "CONTEXT_TOO_LONG", message: expect.stringMatching(/The first 16384 characters of the/) };
      await expect(plan(question, runtime)).rejects.toMatchObject(refusal);
      expect(Math.max(...runtime.tokenized.map(({ length }) => length))).toBe(16_384);
    },
  );

  it("takes a long text of few tokens, and makes them of the whole", async () => {
    const runtime = new LongWords(350);
    const { promptTokens } = await plan(completion("a".repeat(300_000)), runtime);
    expect(promptTokens).toBe(858);
    expect(runtime.tokenized.at(-1)).toHaveLength(300_000);
  });
});
