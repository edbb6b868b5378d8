import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { seededRandom } from "../../shared/base/random.ts";
import { tinyDecoder } from "../support/models/text/tiny-decoder.ts";
import { tinyGguf, writeTinyGguf } from "../support/models/text/tiny-gguf.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { LlamaServer } from "../support/processes/engines/llama-server.ts";
import { inFlightAt } from "../support/processes/faults/node-faults.ts";
import { type ClusterNode, SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";

/** Callers who go away, a thousand for each way in which a text comes about. */

const CALLERS = 1_000;
const AT_ONCE = 16;
const CONTEXT = 8_192;
/** So long that the answers which nobody stopped would take the places of a model for minutes. */
const ENDLESS = { prompt: "a", max_tokens: 8_000, temperature: 0 };
const PATIENT = { "skerry-timeout-ms": "60000" };

let folder: string;
let database: TestDatabase;
let cluster: SkerryCluster;
let node: ClusterNode;
let engine: LlamaServer;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-hang-ups-"));
  const model = path.join(folder, "tiny.gguf");
  await writeTinyGguf(model, { contextTokens: CONTEXT });
  engine = await LlamaServer.start({ model, alias: "tiny-of-the-engine", context: CONTEXT });
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  node = await cluster.addNode("edge-a", { env: { SKERRY_ENGINES: `openai=${engine.url}` } });
  const document = Buffer.from('{"model": "tiny-of-the-engine", "kind": "text"}');
  await cluster.publish("gguf", tinyGguf({ contextTokens: CONTEXT }), { runtime: "gguf" });
  await cluster.publishBundle("onnx", tinyDecoder({ contextTokens: CONTEXT }), { runtime: "generate" });
  await cluster.publishBundle("engine", { "engine.json": document }, { runtime: "engine" });
  for (const name of ["gguf", "onnx", "engine"]) {
    await cluster.deploy({
      name,
      model: name,
      version: 1,
      placement: { edge: { min: 1 } },
      limits: { timeoutMs: 60_000 },
    });
    await cluster.whenDeploymentReady(name, 120_000);
  }
}, 300_000);

afterAll(async () => {
  await cluster?.stop();
  await engine?.kill();
  await database?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const ask = (request: object, signal?: AbortSignal): Promise<Response> =>
  fetch(`${cluster.url}/v1/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json", ...PATIENT },
    body: JSON.stringify(request),
    ...(signal && { signal }),
  });

/** Asks and goes away: at once, a little later, or with the first piece of the answer. What came of it. */
async function hangUp(request: { readonly model: string; readonly stream: boolean }, chance: number): Promise<string> {
  const controller = new AbortController();
  const leave = setTimeout(() => controller.abort(), chance < 0.5 ? 40 * chance : 5_000);
  try {
    const answer = await ask({ ...ENDLESS, ...request }, controller.signal);
    if (answer.status !== 200) return `${answer.status} ${await answer.text()}`;
    if (!request.stream) return "gone"; // of a whole answer nothing comes before its end
    const { done } = (await answer.body?.getReader().read()) ?? { done: true };
    return done ? "ended" : "gone";
  } catch {
    return "gone";
  } finally {
    clearTimeout(leave);
    controller.abort();
  }
}

describe.each(["gguf", "onnx", "engine"])("a text model by %s", (model) => {
  it(`has all its places free after ${CALLERS} callers who hang up, streaming or not`, async () => {
    const random = seededRandom(7);
    const outcomes = new Set<string>();
    let left = CALLERS;
    const callers = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        outcomes.add(await hangUp({ model, stream: random.next() < 0.5 }, random.next()));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, callers));
    expect(outcomes).toEqual(new Set(["gone"]));
    await until("nothing is in flight at the node", async () => (await inFlightAt(node)) === 0);
    if (model === "engine") await until("the engine runs nothing", async () => (await engine.busy()) === 0);
    const answers = Array.from({ length: 8 }, () => ask({ model, prompt: "abc", max_tokens: 4, temperature: 0 }));
    const texts = (await Promise.all(answers)).map(
      (answer) => answer.json() as Promise<{ choices: { text: string }[] }>,
    );
    expect((await Promise.all(texts)).map(({ choices }) => choices[0]?.text)).toEqual(
      Array.from({ length: 8 }, () => "defg"),
    );
  }, 600_000);
});
