/** The clients of npm, unchanged: openai, LangChain's OpenAIEmbeddings and the AI SDK, against a base URL, a key and a model. Prints a line for each check. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { OpenAIEmbeddings } from "@langchain/openai";
import { embed, embedMany } from "ai";
import OpenAI from "openai";
import { inspect } from "node:util";

const [baseURL, apiKey, model] = process.argv.slice(2);
const texts = ["A harbour at night.", "Die Pumpe meldet hohen Druck.", "港の夜"];

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

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const { data, usage } = await client.embeddings.create({ model, input: texts, encoding_format: "float" });
const wanted = data.map(({ embedding }) => embedding);
const isWanted = (embeddings) =>
  embeddings.length === wanted.length &&
  embeddings.every((embedding, row) => embedding.every((value, at) => Math.abs(value - wanted[row][at]) < 1e-6));

await check("openai, numbers", () => wanted.every((each) => each.length === 384) && usage.prompt_tokens > 10);
await check("openai, as it asks by itself", async () =>
  isWanted((await client.embeddings.create({ model, input: texts })).data.map(({ embedding }) => embedding)),
);
await check("openai, a refusal", async () => {
  const refused = await client.embeddings.create({ model, input: texts, dimensions: 64 }).catch((error) => error);
  return refused instanceof OpenAI.BadRequestError && /dimensions/.test(refused.message);
});
const langchain = new OpenAIEmbeddings({ model, apiKey, configuration: { baseURL }, maxRetries: 0 });
await check("LangChain, documents", async () => isWanted(await langchain.embedDocuments(texts)));
await check("LangChain, a query", async () => (await langchain.embedQuery(texts[0])).length === 384);
const provider = createOpenAICompatible({ name: "skerry", baseURL, apiKey });
const embedder = provider.embeddingModel?.(model) ?? provider.textEmbeddingModel(model);
await check("AI SDK, several", async () => isWanted((await embedMany({ model: embedder, values: texts })).embeddings));
await check("AI SDK, one", async () => (await embed({ model: embedder, value: texts[0] })).usage.tokens > 3);
