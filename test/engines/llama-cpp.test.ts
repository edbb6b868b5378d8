import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ModelVersion } from "../../shared/api/v1/models.ts";
import { writeTinyGguf } from "../support/models/text/tiny-gguf.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { LlamaServer } from "../support/processes/engines/llama-server.ts";
import { inFlightAt } from "../support/processes/faults/node-faults.ts";
import { type ClusterNode, SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";

/** Two nodes, each with llama.cpp's own server beside it. One asks for a key. */

const KEY = "key-of-the-engine";
/** So long that an answer which nobody stops takes seconds. */
const CONTEXT = 32_768;
const ENDLESS = { prompt: "a", max_tokens: 30_000 };

let folder: string;
let database: TestDatabase;
let cluster: SkerryCluster;
let version: ModelVersion;
let engines: readonly [LlamaServer, LlamaServer];
let encoder: LlamaServer;
let nodes: readonly [ClusterNode, ClusterNode];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-engines-"));
  const model = path.join(folder, "tiny.gguf");
  const keyFile = path.join(folder, "engine.key");
  await writeTinyGguf(model, { contextTokens: CONTEXT });
  await writeFile(keyFile, `${KEY}\n`);
  engines = [
    await LlamaServer.start({ model, alias: "tiny-of-the-engine", context: CONTEXT, key: KEY }),
    await LlamaServer.start({ model, alias: "tiny-of-the-engine", context: CONTEXT }),
  ];
  encoder = await LlamaServer.start({ model, alias: "vectors-of-the-engine", context: 512, isEncoder: true });
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  nodes = [
    await cluster.addNode("edge-a", { env: { SKERRY_ENGINES: `openai=${engines[0].url},key-file=${keyFile}` } }),
    await cluster.addNode("cloud-b", { kind: "cloud", env: { SKERRY_ENGINES: `openai=${engines[1].url}/v1` } }),
  ];
  await cluster.addNode("edge-c", { env: { SKERRY_ENGINES: `openai=${encoder.url}` } });
  const vectors = Buffer.from('{"model": "vectors-of-the-engine", "kind": "embeddings"}');
  await cluster.publishBundle("vectors", { "engine.json": vectors }, { runtime: "engine" });
  await cluster.deploy({ name: "vectors", model: "vectors", version: 1, placement: { edge: { min: 1 } } });
  await cluster.addNode("edge-without");
  version = await cluster.publishBundle(
    "tiny",
    { "engine.json": Buffer.from('{"model": "tiny-of-the-engine", "kind": "text"}') },
    { runtime: "engine" },
  );
  await cluster.deploy({
    name: "tiny",
    model: "tiny",
    version: 1,
    placement: { edge: { min: 1 }, cloud: { min: 1 } },
  });
  await cluster.whenDeploymentReady("tiny", 60_000);
  await cluster.whenDeploymentReady("vectors", 60_000);
}, 300_000);

afterAll(async () => {
  await cluster?.stop();
  for (const engine of [...(engines ?? []), encoder]) await engine?.kill();
  await database?.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Ask {
  readonly url?: string;
  readonly key?: string;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

const ask = (api: string, request: object, { url = cluster.url, key = cluster.adminKey, signal, headers }: Ask = {}) =>
  fetch(`${url}/v1/${api}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "tiny", temperature: 0, ...request }),
    ...(signal && { signal }),
  });

/** The same question at the engine's own port. */
const askEngine = (api: string, request: object) =>
  ask(api, { model: "tiny-of-the-engine", ...request }, { url: engines[0].url, key: KEY });

interface Answer {
  readonly model: string;
  readonly object: string;
  readonly choices: readonly Record<string, unknown>[];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
}
interface Vectors {
  readonly model: string;
  readonly data: readonly unknown[];
  readonly usage: unknown;
}
const answerOf = async (answer: Promise<Response>): Promise<Answer> => (await (await answer).json()) as Answer;

const eventsOf = async (answer: Response): Promise<readonly string[]> =>
  (await answer.text())
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => event.replace(/^data: /, ""));

const whenFree = (engine: LlamaServer): Promise<true> =>
  until("no slot of the engine is busy", async () => (await engine.busy()) === 0, 10_000);

const QUESTIONS: readonly (readonly [string, string, object])[] = [
  ["a completion", "completions", { prompt: "abc", max_tokens: 5 }],
  ["two prompts", "completions", { prompt: ["abc", "xyz"], max_tokens: 3 }],
  ["logprobs of a completion", "completions", { prompt: "abc", max_tokens: 3, logprobs: 2 }],
  ["a text that ends by itself", "completions", { prompt: "123", max_tokens: 50 }],
  ["a stop", "completions", { prompt: "abc", max_tokens: 50, stop: ["jk"] }],
  ["a chat", "chat/completions", { messages: [{ role: "user", content: "abc" }], max_tokens: 4 }],
  [
    "logprobs of a chat",
    "chat/completions",
    { messages: [{ role: "user", content: "abc" }], max_tokens: 4, logprobs: true, top_logprobs: 2 },
  ],
];

describe("an engine of the OpenAI API beside a node", () => {
  it("is declared by a document that names its model", () => {
    expect(version).toMatchObject({
      state: "ready",
      format: "engine",
      engine: { model: "tiny-of-the-engine", kind: "text" },
    });
  });

  it("has its models shown with its node", async () => {
    const { items } = await cluster.get<{ items: { name: string; capabilities: { engines?: unknown } }[] }>("/nodes");
    expect(items.map(({ name, capabilities: { engines: offer } }) => [name, offer])).toEqual(
      expect.arrayContaining([
        ["edge-a", [{ api: "openai", models: ["tiny-of-the-engine"] }]],
        ["edge-without", undefined],
      ]),
    );
  });

  it("is listed by Skerry's name at the control plane and at its node", async () => {
    for (const url of [cluster.url, nodes[0].localUrl]) {
      const answer = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${cluster.adminKey}` } });
      const { data } = (await answer.json()) as { data: { id: string }[] };
      expect(data.map(({ id }) => id)).toContain("tiny");
    }
  });

  it.each(QUESTIONS)("answers %s whole as it does at its own port", async (_, api, request) => {
    const [through, own] = [await answerOf(ask(api, request)), await answerOf(askEngine(api, request))];
    const plain = ({ choices, usage, object }: Answer) => ({
      object,
      choices: choices.map((choice) => ({ logprobs: null, ...choice })),
      tokens: [usage.prompt_tokens, usage.completion_tokens],
    });
    expect(plain(through)).toEqual(plain(own));
    expect(through.model).toBe("tiny");
  });

  it("streams its pieces under Skerry's name, with the usage last and only where it was asked for", async () => {
    const request = { prompt: "abc", max_tokens: 3, stream: true };
    const events = await eventsOf(await ask("completions", { ...request, stream_options: { include_usage: true } }));
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event) as Answer);
    expect(events.at(-1)).toBe("[DONE]");
    expect(chunks.map(({ choices, usage }) => [choices[0]?.["text"], usage])).toEqual([
      ["d", null],
      ["e", null],
      ["f", null],
      ["", null],
      [undefined, expect.objectContaining({ prompt_tokens: 3, completion_tokens: 3 })],
    ]);
    expect(new Set(chunks.map(({ model }) => model))).toEqual(new Set(["tiny"]));
    expect(await eventsOf(await ask("completions", request))).not.toContainEqual(expect.stringContaining("usage"));
  });

  it("makes the embeddings that it makes at its own port", async () => {
    const request = { input: ["abc", "xyz"], temperature: undefined };
    const through = await ask("embeddings", { model: "vectors", ...request });
    const own = await ask("embeddings", { model: "vectors-of-the-engine", ...request }, { url: encoder.url });
    const [found, expected] = [(await through.json()) as Vectors, (await own.json()) as Vectors];
    expect([through.status, found.model, found.data.length]).toEqual([200, "vectors", 2]);
    expect(found.data).toEqual(expected.data);
    expect(found.usage).toEqual(expected.usage);
  });

  it("answers the generate extension of /v2", async () => {
    const answer = await fetch(`${cluster.url}/v2/models/tiny/generate`, {
      method: "POST",
      headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ text_input: "abc", parameters: { max_tokens: 4, temperature: 0, details: true } }),
    });
    expect(await answer.json()).toEqual({
      model_name: "tiny",
      model_version: "1",
      text_output: "defg",
      details: { finish_reason: "length" },
    });
  });

  it("refuses a prompt that is too long with the engine's words", async () => {
    const answer = await ask("completions", { prompt: "a".repeat(CONTEXT * 2), max_tokens: 4 });
    expect([answer.status, answer.headers.get("skerry-error")]).toEqual([400, "CONTEXT_TOO_LONG"]);
    expect(await answer.json()).toMatchObject({
      error: { code: "context_length_exceeded", message: expect.stringContaining(`${CONTEXT} tokens`) },
    });
  });

  it("is asked for nothing by requests that may only run at the edge, when it is beside a cloud node", async () => {
    const before = await tokensOf(engines[1]);
    for (let round = 0; round < 10; round += 1) {
      const answer = await ask(
        "completions",
        { prompt: "abc", max_tokens: 3 },
        { headers: { "skerry-residency": "edge-only" } },
      );
      expect([answer.status, answer.headers.get("skerry-node")]).toEqual([200, "edge-a"]);
      await answer.text();
    }
    expect(await tokensOf(engines[1])).toBe(before);
  });

  it.each([true, false])("frees its slot when the caller hangs up (stream: %s)", async (stream) => {
    for (let round = 0; round < 3; round += 1) {
      const controller = new AbortController();
      const answer = ask("completions", { ...ENDLESS, stream }, { signal: controller.signal });
      await until("a slot is busy", async () => (await engines[0].busy()) + (await engines[1].busy()) > 0, 10_000);
      controller.abort();
      await expect(answer.then((response) => response.text())).rejects.toThrow(/abort/);
      for (const engine of engines) await whenFree(engine);
    }
    for (const node of nodes) await until("nothing is in flight", async () => (await inFlightAt(node)) === 0);
  });

  it("ends its streams with a code when it is killed, and others answer until it is back", async () => {
    const other = new AbortController();
    const at = (node: string, signal?: AbortSignal): Promise<readonly string[]> =>
      ask(
        "completions",
        { ...ENDLESS, stream: true },
        { headers: { "skerry-prefer": `node=${node}` }, ...(signal && { signal }) },
      ).then(eventsOf);
    const streams = [at("edge-a"), at("edge-a")];
    const elsewhere = at("cloud-b", other.signal);
    await until("both engines are busy", async () => (await engines[0].busy()) > 1 && (await engines[1].busy()) > 0);
    await engines[0].kill();
    for (const events of await Promise.all(streams))
      expect(JSON.parse(events.at(-1) ?? "")).toMatchObject({ error: { code: "HOST_CRASHED" } });
    for (let round = 0; round < 20; round += 1) {
      const answer = await ask("completions", { prompt: "abc", max_tokens: 3 });
      expect([answer.status, answer.headers.get("skerry-node")]).toEqual([200, "cloud-b"]);
      await answer.text();
    }
    other.abort();
    await expect(elsewhere).rejects.toThrow(/abort/);
    await engines[0].start();
    await until("the engine's node answers again", async () => {
      const answer = await ask(
        "completions",
        { prompt: "abc", max_tokens: 1 },
        { headers: { "skerry-prefer": "node=edge-a" } },
      );
      await answer.text();
      return answer.status === 200;
    });
  }, 120_000);
});

/** Tokens of prompts that it has seen. */
async function tokensOf(engine: LlamaServer): Promise<string | undefined> {
  const metrics = await (await fetch(`${engine.url}/metrics`)).text();
  return /^llamacpp:prompt_tokens_total (\S+)/m.exec(metrics)?.[1];
}
