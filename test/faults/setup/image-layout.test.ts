import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { identityModel } from "../../support/models/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const run = promisify(execFile);
/** Of the image without its Node, in MiB. */
const MAX_MIB = 180;

let directory: string;
let database: TestDatabase;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-image-"));
  await chmod(directory, 0o755);
  database = await startTestDatabase();
});

afterAll(async () => {
  await database?.stop();
  await rm(directory, { recursive: true, force: true });
});

describe("the files of the image", () => {
  it("are all that both programs need, and hold nothing else", async () => {
    const image = path.join(directory, "app");
    await run(process.execPath, [path.join(ROOT, "deploy/docker/layout.mjs"), image]);
    const { stdout } = await run("du", ["-sm", image]);
    expect(Number.parseInt(stdout, 10)).toBeLessThan(MAX_MIB);

    const cluster = await SkerryCluster.start(database.url, {}, image);
    try {
      await cluster.addNode("from-the-image");
      await cluster.publish("echo", identityModel("FP32", ["n", 2]));
      await cluster.deploy({ name: "echo", model: "echo", version: 1, placement: { edge: { min: 1 } } });
      await cluster.whenDeploymentReady("echo");
      const answer = await fetch(`${cluster.url}/v2/models/echo/infer`, {
        method: "POST",
        headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
        body: JSON.stringify({ inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] }),
      });
      expect(await answer.json()).toMatchObject({ outputs: [{ name: "y", data: [1, 2] }] });
    } finally {
      await cluster.stop();
    }
  }, 180_000);
});
