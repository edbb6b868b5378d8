/** The clients of npm, unchanged: openai, LangChain's ChatOpenAI and the AI SDK, against a base URL, a key and a model. Prints a line for each check. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import { APICallError, generateText, jsonSchema, Output, streamText } from "ai";
import OpenAI from "openai";
import { inspect } from "node:util";

const [baseURL, apiKey, model] = process.argv.slice(2);
const messages = [{ role: "user", content: "Say hello." }];
const schema = {
  type: "object",
  properties: { city: { type: "string", maxLength: 20 } },
  required: ["city"],
  additionalProperties: false,
};
const TOO_LONG = "a ".repeat(20_000);

async function check(name, holds) {
  let verdict;
  try {
    verdict = (await holds()) ? "ok" : "FAILED";
  } catch (error) {
    verdict = "FAILED";
    process.stderr.write(`${name}: ${inspect(error)}\n`);
  }
  process.stdout.write(`${verdict} ${name}\n`);
}

/** What a call is rejected with. */
const failure = (call) =>
  call().then(
    () => undefined,
    (error) => error,
  );

const openai = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const chat = (more) => openai.chat.completions.create({ model, messages, max_tokens: 6, temperature: 0, ...more });

await check("openai: models", async () => (await openai.models.list()).data.some(({ id }) => id === model));
await check("openai: a chat and its usage", async () => {
  const { choices, usage } = await chat();
  return typeof choices[0].message.content === "string" && usage.completion_tokens <= 6 && usage.prompt_tokens > 0;
});
await check("openai: a completion", async () => {
  const answer = await openai.completions.create({
    model,
    prompt: "The capital of France is",
    max_tokens: 4,
    temperature: 0,
  });
  return answer.choices[0].text.includes("Paris");
});
await check("openai: n choices", async () => (await chat({ n: 2, seed: 1 })).choices.length === 2);
await check("openai: the same text for the same seed", async () => {
  const [one, other] = [await chat({ seed: 5, temperature: 1 }), await chat({ seed: 5, temperature: 1 })];
  return one.choices[0].message.content === other.choices[0].message.content;
});
await check("openai: stop", async () => {
  const answer = await openai.completions.create({
    model,
    prompt: "One, two, three, four,",
    max_tokens: 30,
    temperature: 0,
    stop: [","],
  });
  return !answer.choices[0].text.includes(",") && answer.choices[0].finish_reason === "stop";
});
await check("openai: a stream with its usage in the last chunk alone", async () => {
  const chunks = [];
  for await (const chunk of await chat({ stream: true, stream_options: { include_usage: true } })) chunks.push(chunk);
  const last = chunks.pop();
  return last.usage.completion_tokens <= 6 && last.choices.length === 0 && chunks.every(({ usage }) => usage === null);
});
await check("openai: response_format", async () => {
  const format = { type: "json_schema", json_schema: { name: "city", schema, strict: true } };
  const answer = await chat({ max_tokens: 100, response_format: format });
  return Object.keys(JSON.parse(answer.choices[0].message.content)).join() === "city";
});
await check("openai: a stream that is left early", async () => {
  const stream = await chat({ stream: true, max_tokens: 1_000 });
  for await (const _ of stream) break;
  return stream.controller.signal.aborted;
});
await check("openai: a whole answer that is aborted", async () => {
  const controller = new AbortController();
  const answer = openai.chat.completions.create({ model, messages, max_tokens: 1_000 }, { signal: controller.signal });
  setTimeout(() => controller.abort(), 200);
  return (await failure(() => answer)) instanceof OpenAI.APIUserAbortError;
});
for (const [name, type, call] of [
  ["an unknown model", OpenAI.NotFoundError, () => chat({ model: "nobody" })],
  ["a wrong key", OpenAI.AuthenticationError, () => openai.withOptions({ apiKey: "sk_wrong" }).models.list()],
  ["an unknown field", OpenAI.BadRequestError, () => chat({ hallucinate: false })],
])
  await check(`openai: ${name}`, async () => (await failure(call)) instanceof type);
await check("openai: a prompt beyond the context", async () => {
  const error = await failure(() => openai.completions.create({ model, prompt: TOO_LONG }));
  return error instanceof OpenAI.BadRequestError && error.code === "context_length_exceeded";
});

const langchain = (more) =>
  new ChatOpenAI({ model, apiKey, temperature: 0, maxTokens: 6, maxRetries: 0, configuration: { baseURL }, ...more });
await check("LangChain: invoke and its usage", async () => {
  const answer = await langchain().invoke("Say hello.");
  return typeof answer.content === "string" && answer.usage_metadata.output_tokens <= 6;
});
await check("LangChain: stream and its usage", async () => {
  let [text, tokens] = ["", 0];
  for await (const chunk of await langchain().stream("Say hello.")) {
    text += chunk.content;
    tokens += chunk.usage_metadata?.output_tokens ?? 0;
  }
  return text !== "" && tokens > 0 && tokens <= 6;
});
await check("LangChain: structured output", async () => {
  const structured = langchain({ maxTokens: 100 }).withStructuredOutput(schema, { name: "city", method: "jsonSchema" });
  return typeof (await structured.invoke("Name a city.")).city === "string";
});
await check("LangChain: stop", async () => {
  const answer = await langchain({ maxTokens: 30 }).invoke("Count: one, two, three", { stop: [","] });
  return !answer.content.includes(",");
});
await check(
  "LangChain: an error",
  async () => (await failure(() => langchain({ model: "nobody" }).invoke("a")))?.status === 404,
);
await check("LangChain: a call that is aborted", async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 200);
  return (
    (await failure(() => langchain({ maxTokens: 1_000 }).invoke("a", { signal: controller.signal }))) !== undefined
  );
});

const provider = createOpenAICompatible({
  name: "skerry",
  baseURL,
  apiKey,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const asked = { model: provider(model), prompt: "Say hello.", maxOutputTokens: 6, temperature: 0, maxRetries: 0 };
await check("AI SDK: generateText and its usage", async () => {
  const { text, usage } = await generateText(asked);
  return text !== "" && usage.outputTokens > 0 && usage.outputTokens <= 6;
});
await check("AI SDK: streamText and its usage", async () => {
  const answer = streamText(asked);
  let text = "";
  for await (const piece of answer.textStream) text += piece;
  return text !== "" && (await answer.usage).outputTokens <= 6;
});
await check("AI SDK: an object by a schema", async () => {
  const { output } = await generateText({
    ...asked,
    maxOutputTokens: 100,
    output: Output.object({ schema: jsonSchema(schema) }),
  });
  return Object.keys(output).join() === "city";
});
await check("AI SDK: stop sequences", async () => {
  const { text } = await generateText({
    ...asked,
    prompt: "Count: one, two",
    maxOutputTokens: 30,
    stopSequences: [","],
  });
  return !text.includes(",");
});
await check("AI SDK: an error", async () => {
  const error = await failure(() => generateText({ ...asked, model: provider("nobody") }));
  return APICallError.isInstance(error) && error.statusCode === 404 && error.message.includes("nobody");
});
await check("AI SDK: a stream that is aborted", async () => {
  const controller = new AbortController();
  let pieces = 0;
  const answer = streamText({ ...asked, maxOutputTokens: 1_000, abortSignal: controller.signal });
  for await (const _ of answer.textStream) if ((pieces += 1) === 2) controller.abort();
  return pieces < 1_000;
});
