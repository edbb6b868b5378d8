import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { pythonWith } from "../support/processes/engines/python-environment.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";

/**
 * schemathesis asks every operation of /openapi.json with what its schemas allow and with what they do not, at a real
 * control plane with a node, for ten minutes. `MINUTES=1 npm run test:api-fuzz` for less, `SEED=7` for a run again.
 */
const MINUTES = Number(process.env["MINUTES"] ?? 10);
const SEED = process.env["SEED"] ?? String(Math.floor(Math.random() * 1e9));
/** Beyond its own limit: a request under way, a failure that is made smaller. */
const GRACE_MS = 180_000;

const INPUTS = {
  numbers: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, -2.5] }],
  words: [{ name: "x", datatype: "BYTES", shape: [2], data: ["a", "β"] }],
};
const ON_EDGE_A = { where: { matchLabels: { name: "edge-a" } }, edge: { min: 1 } };
const MODELS = Object.keys(INPUTS);

let database: TestDatabase;
let cluster: SkerryCluster;
let python: string;
let ownKey: string;
const uploads: string[] = [];

beforeAll(async () => {
  python = await pythonWith(path.join(import.meta.dirname, "requirements.txt"));
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
  await cluster.addNode("edge-b");
  const files = { numbers: identityModel("FP32", ["n", 2]), words: identityModel("BYTES", ["n"]) };
  for (const [name, file] of Object.entries(files)) {
    await cluster.publish(name, file);
    await cluster.deploy({ name, model: name, version: 1, placement: ON_EDGE_A });
  }
  for (const name of MODELS) await cluster.whenDeploymentReady(name);
  const spare = identityModel("INT64", ["n", 2]);
  await cluster.publish("spare", spare);
  for (let version = 2; version <= 6; version += 1) {
    const { uploadUrl } = await cluster.declare("spare", spare, { labels: { version: String(version) } });
    uploads.push(path.basename(uploadUrl));
  }
  ownKey = (await cluster.get<{ keyId: string }>("/whoami")).keyId;
}, 600_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

/** For an operation and a parameter of its path: values that are not sent, because the run needs them. */
const kept = (): object => ({
  "DELETE /api/v1/api-keys/{id}": { id: [ownKey] },
  "DELETE /api/v1/nodes/{node}": { node: ["edge-a"] },
  "POST /api/v1/nodes/{node}/cordon": { node: ["edge-a"] },
  "POST /api/v1/nodes/{node}/drain": { node: ["edge-a"] },
  "PUT /api/v1/deployments/{deployment}": { deployment: MODELS },
  "DELETE /api/v1/deployments/{deployment}": { deployment: MODELS },
  "POST /v2/repository/models/{model}/unload": { model: MODELS },
});

async function schemathesis(): Promise<{ readonly code: number | null; readonly output: string }> {
  const config = path.join(import.meta.dirname, "schemathesis.toml");
  const program = path.join(path.dirname(python), "schemathesis");
  const bounds = ["--max-time", String(MINUTES * 60), "--seed", SEED, "--generation-database", "none"];
  const options = ["--config-file", config, "run", `${cluster.url}/openapi.json`, "--url", cluster.url, "--no-color"];
  const child = spawn(program, [...options, ...bounds], {
    cwd: import.meta.dirname,
    env: {
      ...process.env,
      SKERRY_API_KEY: cluster.adminKey,
      FUZZ: JSON.stringify({ kept: kept(), inputs: INPUTS, uploads }),
    },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: MINUTES * 60_000 + GRACE_MS,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (bytes: Buffer) => (output += bytes.toString("utf8")));
  await once(child, "close");
  return { code: child.exitCode, output };
}

describe("the API under random requests", () => {
  it(
    "answers as /openapi.json says, and never 500",
    async () => {
      const { code, output } = await schemathesis();
      process.stderr.write(output);
      expect(code).toBe(0);
    },
    MINUTES * 60_000 + 2 * GRACE_MS,
  );

  it("has logged no fault of its own", async () => {
    const log = await readFile(path.join(cluster.directory, "control-plane.log"), "utf8");
    expect(log.split("\n").filter((line) => /"msg":"(request|inference) failed"/.test(line))).toEqual([]);
  });

  it.each(MODELS)("still serves %s", async (model) => {
    const answer = await cluster.infer(model, { inputs: INPUTS[model as keyof typeof INPUTS] });
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 200,
      body: { outputs: [{ data: INPUTS[model as keyof typeof INPUTS][0]?.data }] },
    });
  });
});
