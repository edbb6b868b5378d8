import { describe, expect, it } from "@jest/globals";
import { AnswerInPieces } from "../../../../../edge-node/model-host/link/event-link.ts";
import { ChatPrompt } from "../../../../../edge-node/model-host/text/prompt.ts";
import { TextAnswer } from "../../../../../edge-node/model-host/text/text-answer.ts";
import { planText } from "../../../../../edge-node/model-host/text/text-plan.ts";
import type { Control, MadeToken, Sampling } from "../../../../../edge-node/model-host/text/text-runtime.ts";
import { decodeRequest } from "../../../../../shared/openai/decode-request.ts";
import { textQuestion } from "../../../../../shared/openai/requests.ts";
import { WordRuntime } from "../../../../support/models/text/word-runtime.ts";

/** As Qwen's templates write tools and calls, in short. */
const TEMPLATE = `{% if tools %}{{ tools | map(attribute="function") | list | tojson }}<tool_call>{"name", "arguments"}</tool_call>{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for call in m.tool_calls or [] %}<tool_call>{{ call.function.name }}:{{ call.function.arguments.city }}</tool_call>{% endfor %}{% endfor %}`;

/** Says `said`, one token for each character. */
class Speaker extends WordRuntime {
  override readonly chatTemplate: string;
  readonly #said: string;

  constructor(said: string, template = TEMPLATE) {
    super({ contextTokens: 4_096 });
    this.#said = said;
    this.chatTemplate = template;
  }

  override async *generate(_: readonly number[], __: Sampling, ___: Control): AsyncGenerator<MadeToken, void> {
    for (const character of this.#said) yield { token: character.codePointAt(0) ?? 0 };
  }
}

const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];
const messages = [{ role: "user", content: "How is it in Zürich?" }];
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Zürich"}}\n</tool_call>';
const call = { type: "function", function: { name: "weather", arguments: '{"city":"Zürich"}' } };

async function planOf(runtime: Speaker, request: object) {
  const { question } = decodeRequest("chat", Buffer.from(JSON.stringify({ model: "m", messages, ...request })), "t");
  const asked = textQuestion.parse(JSON.parse(Buffer.from(question).toString("utf8")));
  return planText(asked, runtime, new ChatPrompt(runtime));
}

async function answerOf(said: string, request: object, bounds: { readonly signMs?: number } = {}): Promise<string> {
  const runtime = new Speaker(said);
  let written = "";
  const answer = new TextAnswer({
    plan: await planOf(runtime, request),
    runtime,
    version: "1",
    begin: () => new AnswerInPieces((_, body) => (written += Buffer.from(body).toString("latin1"))),
    isCancelled: () => false,
    onStep: () => undefined,
    bounds,
  });
  await answer.send();
  return Buffer.from(written, "latin1").toString("utf8");
}

const chunksOf = (text: string): readonly object[] =>
  [...text.matchAll(/^data: (\{.*\})$/gm)].map(([, data = ""]) => {
    const { choices } = JSON.parse(data) as { choices: { delta: object; finish_reason: string | null }[] };
    return { ...choices[0]?.delta, reason: choices[0]?.finish_reason };
  });

describe("a model with tools", () => {
  it("is shown them, and what was called and answered, by its template", async () => {
    const runtime = new Speaker("");
    const turns = [
      ...messages,
      { role: "assistant", content: null, tool_calls: [{ id: "call_1", ...call }] },
      { role: "tool", tool_call_id: "call_1", content: "warm" },
    ];
    await planOf(runtime, { tools, messages: turns });
    expect(runtime.tokenized.at(-1)).toBe(
      '[{"name": "weather", "parameters": {"type": "object"}}]<tool_call>{"name", "arguments"}</tool_call>[user]How is it in Zürich?[assistant]<tool_call>weather:Zürich</tool_call>[tool]warm',
    );
  });

  it("asks for calls beside what it says, in a whole answer", async () => {
    const answer = JSON.parse(await answerOf(`I look.\n${CALL}\n${CALL}`, { tools })) as { choices: object[] };
    const id = expect.stringMatching(/^call_[0-9a-f]{24}$/);
    expect(answer.choices).toEqual([
      {
        index: 0,
        message: {
          role: "assistant",
          content: "I look.",
          refusal: null,
          tool_calls: [
            { id, ...call },
            { id, ...call },
          ],
        },
        logprobs: null,
        finish_reason: "tool_calls",
      },
    ]);
    const alone = JSON.parse(await answerOf(CALL, { tools })) as { choices: { message: { content: unknown } }[] };
    expect(alone.choices[0]?.message.content).toBeNull();
  });

  it("asks for them as they come, in a stream", async () => {
    const chunks = chunksOf(await answerOf(`So.${CALL}${CALL}`, { tools, stream: true }));
    const id = expect.any(String);
    expect(chunks).toEqual([
      { role: "assistant", content: "", reason: null },
      ...["S", "o", "."].map((content) => ({ content, reason: null })),
      { tool_calls: [{ index: 0, id, ...call }], reason: null },
      { tool_calls: [{ index: 1, id, ...call }], reason: null },
      { reason: "tool_calls" },
    ]);
  });

  it("shows in a stream that it writes a call, or the stream would be taken for one that hangs", async () => {
    const chunks = chunksOf(await answerOf(`So.${CALL}`, { tools, stream: true }, { signMs: 0 }));
    const signs = chunks.filter((chunk) => "content" in chunk && chunk.content === "");
    // One for each character of the call, after the one that begins the answer.
    expect(signs.length).toBeGreaterThan(CALL.length - 5);
    expect(chunks).toContainEqual({ tool_calls: [{ index: 0, id: expect.any(String), ...call }], reason: null });
    expect(chunks.at(-1)).toEqual({ reason: "tool_calls" });
  });

  it("writes text where no tool may be called", async () => {
    const answer = JSON.parse(await answerOf(CALL, { tools, tool_choice: "none" })) as { choices: object[] };
    expect(answer.choices).toMatchObject([{ message: { content: CALL }, finish_reason: "stop" }]);
  });

  it("is refused where its template has no calls that are known", async () => {
    const runtime = new Speaker("", "{% for m in messages %}{{ m.content }}{% endfor %}");
    const refusal = {
      code: "INVALID_REQUEST",
      message: expect.stringMatching(/`tools`: this model's template has no calls/),
    };
    await expect(planOf(runtime, { tools })).rejects.toMatchObject(refusal);
    await expect(planOf(runtime, { tools, tool_choice: "none" })).resolves.toMatchObject({ mayCall: false });
  });
});
