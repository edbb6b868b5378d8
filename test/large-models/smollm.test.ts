import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import path from "node:path";
import { ended } from "../clients/ended.ts";
import { smollm } from "../support/models/text/smollm.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { scriptWithPackages } from "../support/processes/npm-environment.ts";
import { inFlightAt } from "../support/processes/faults/node-faults.ts";
import { pythonWith } from "../support/processes/engines/python-environment.ts";
import { type ClusterNode, SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";

/** A real text model on a real node, asked by the clients that people have. */

let database: TestDatabase;
let cluster: SkerryCluster;
let node: ClusterNode;
let python: string;

beforeAll(async () => {
  python = await pythonWith(path.join(import.meta.dirname, "requirements.txt"));
  const { bytes } = await smollm();
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  node = await cluster.addNode("edge-a");
  await cluster.publish("smollm", bytes, { runtime: "gguf" });
  await cluster.deploy({
    name: "smollm",
    model: "smollm",
    version: 1,
    placement: { edge: { min: 1 } },
    limits: { timeoutMs: 60_000 },
  });
  await cluster.whenDeploymentReady("smollm", 120_000);
}, 900_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

describe("SmolLM2-135M-Instruct", () => {
  it("says that the capital of France is Paris", async () => {
    const answer = await fetch(`${cluster.url}/v1/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "smollm", prompt: "The capital of France is", max_tokens: 3, temperature: 0 }),
    });
    expect(await answer.json()).toMatchObject({ choices: [{ text: expect.stringMatching(/^ Paris/) }] });
  }, 60_000);

  it("is served to openai and litellm of PyPI as their own server would", async () => {
    const script = path.join(import.meta.dirname, "clients.py");
    const { code, stdout, stderr } = await ended(python, [script, `${cluster.url}/v1`, cluster.adminKey, "smollm"]);
    const lines = stdout.split("\n").filter((line) => /^(ok|FAILED) /.test(line));
    expect({ code, failed: lines.filter((line) => !line.startsWith("ok")), stderr: code === 0 ? "" : stderr }).toEqual({
      code: 0,
      failed: [],
      stderr: "",
    });
    expect(lines).toHaveLength(15);
  }, 300_000);

  it("is served to openai, LangChain and the AI SDK of npm, and stops when they go away", async () => {
    const script = await scriptWithPackages(path.join(import.meta.dirname, "npm/clients.mjs"));
    const args = [script, `${cluster.url}/v1`, cluster.adminKey, "smollm"];
    const { code, stdout, stderr } = await ended(process.execPath, args);
    const lines = stdout.split("\n").filter((line) => /^(ok|FAILED) /.test(line));
    expect({ code, failed: lines.filter((line) => !line.startsWith("ok")), stderr }).toEqual({
      code: 0,
      failed: [],
      stderr: "",
    });
    expect(lines).toHaveLength(26);
    await until("nothing is in flight any more", async () => (await inFlightAt(node)) === 0);
  }, 300_000);

  it("streams to curl event by event", async () => {
    const question = {
      model: "smollm",
      stream: true,
      max_tokens: 5,
      messages: [{ role: "user", content: "Say hello." }],
    };
    const headers = ["-H", `Authorization: Bearer ${cluster.adminKey}`, "-H", "Content-Type: application/json"];
    const url = `${cluster.url}/v1/chat/completions`;
    const { stdout } = await ended("curl", ["-sN", ...headers, url, "-d", JSON.stringify(question)]);
    const events = stdout.trim().split("\n\n");
    expect(events.at(-1)).toBe("data: [DONE]");
    for (const event of events.slice(0, -1)) {
      expect(event).toMatch(/^data: \{[^\n]*\}$/);
      expect(JSON.parse(event.slice("data: ".length))).toMatchObject({ object: "chat.completion.chunk" });
    }
  });
});
