import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import path from "node:path";
import { ended } from "../clients/ended.ts";
import { smollm } from "../support/models/smollm.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { pythonWith } from "../support/processes/python-environment.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";

/** A real text model on a real node, asked by the clients that people have. */

let database: TestDatabase;
let cluster: SkerryCluster;
let python: string;

beforeAll(async () => {
  python = await pythonWith(path.join(import.meta.dirname, "requirements.txt"));
  const { bytes } = await smollm();
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
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
    expect(lines).toHaveLength(14);
  }, 300_000);
});
