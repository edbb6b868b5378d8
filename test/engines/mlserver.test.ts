import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Placement } from "../../shared/api/v1/deployments/placements.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { MlServer } from "../support/processes/engines/mlserver.ts";
import { type ClusterNode, SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";

/** A node with MLServer beside it. */

const ENGINE_MODEL = "sums-of-the-engine";
let folder: string;
let database: TestDatabase;
let cluster: SkerryCluster;
let engine: MlServer;
let node: ClusterNode;

const document = (over: object): Buffer =>
  Buffer.from(
    JSON.stringify({
      model: ENGINE_MODEL,
      kind: "tensors",
      inputs: [{ name: "x", datatype: "FP64", shape: [-1, 3] }],
      outputs: [{ name: "y", datatype: "FP64", shape: [-1] }],
      ...over,
    }),
  );

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-mlserver-"));
  engine = await MlServer.start(path.join(folder, "mlserver"), ENGINE_MODEL);
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  node = await cluster.addNode("edge-a", { env: { SKERRY_ENGINES: `oip=${engine.url}` } });
  for (const model of ["sums", "wrong"]) {
    const over = model === "sums" ? {} : { inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3] }] };
    await cluster.publishBundle(model, { "engine.json": document(over) }, { runtime: "engine" });
    await cluster.deploy({
      name: model,
      model,
      version: 1,
      placement: { edge: { min: 1 } },
      limits: { timeoutMs: 5_000 },
    });
  }
  await cluster.whenDeploymentReady("sums", 60_000);
}, 600_000);

afterAll(async () => {
  await cluster?.stop();
  await engine?.kill();
  await database?.stop();
  await rm(folder, { recursive: true, force: true });
});

const rows = (...values: readonly (readonly number[])[]): object => ({
  id: "r-1",
  inputs: [{ name: "x", datatype: "FP64", shape: [values.length, 3], data: values.flat() }],
});

describe("an engine of the Open Inference Protocol beside a node", () => {
  it("answers under Skerry's names, at the control plane and at its node", async () => {
    for (const base of [cluster.url, node.localUrl]) {
      const answer = await cluster.infer("sums", rows([1, 2, 3], [0.5, 0.25, 0]), { base });
      expect([answer.status, answer.headers.get("skerry-model-version")]).toEqual([200, "sums:1"]);
      expect(await answer.json()).toMatchObject({
        id: "r-1",
        model_name: "sums",
        model_version: "1",
        outputs: [{ name: "y", datatype: "FP64", data: [6, 0.75] }],
      });
    }
  });

  it("has the metadata that was declared", async () => {
    for (const url of [cluster.url, node.localUrl]) {
      const answer = await fetch(`${url}/v2/models/sums`, { headers: { authorization: `Bearer ${cluster.adminKey}` } });
      expect(await answer.json()).toMatchObject({
        name: "sums",
        inputs: [{ name: "x", datatype: "FP64", shape: [-1, 3] }],
        outputs: [{ name: "y" }],
      });
    }
  });

  it("refuses what it does not take with its own words", async () => {
    const answer = await cluster.infer("sums", {
      inputs: [{ name: "x", datatype: "FP64", shape: [1, 2], data: [1, 2] }],
    });
    expect([answer.status, answer.headers.get("skerry-error")]).toEqual([400, "INVALID_REQUEST"]);
    expect(await answer.json()).toEqual({ error: expect.stringContaining("x has the shape [1, 2]") });
  });

  it("fails with a code when its model does", async () => {
    const answer = await cluster.infer("sums", rows([-1, 0, 0]));
    expect([answer.status, answer.headers.get("skerry-error")]).toEqual([500, "RUN_FAILED"]);
    // MLServer keeps the reason to itself.
    expect(await answer.json()).toEqual({ error: expect.stringMatching(/^the oip engine at .* failed: Internal/) });
  });

  it("answers others while a request of it hangs", async () => {
    const hangs = cluster.infer("sums", rows([-2, 0, 0]), { headers: { "skerry-timeout-ms": "3000" } });
    for (let round = 0; round < 10; round += 1) expect((await cluster.infer("sums", rows([1, 2, 3]))).status).toBe(200);
    const answer = await hangs;
    expect([answer.status, answer.headers.get("skerry-error")]).toEqual([504, "DEADLINE_EXCEEDED"]);
  });

  it("is not asked for a model whose declared tensors are not its own", async () => {
    const placement = await until("the placement has failed", async () =>
      (await cluster.placements("wrong")).find((each: Placement) => each.state === "failed"),
    );
    expect(placement.failure).toMatchObject({
      code: "LOAD_FAILED",
      detail: expect.stringMatching(/input x of FP32 is declared, and the oip engine at .* has FP64/),
    });
  });

  it("is refused for a chat with the path to ask instead", async () => {
    const answer = await fetch(`${cluster.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${cluster.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "sums", messages: [{ role: "user", content: "a" }] }),
    });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("/v2/models/sums/infer")]);
  });

  it("makes its placement not ready when it is gone", async () => {
    await engine.kill();
    await until("the placement is not ready", async () =>
      (await cluster.placements("sums")).every(({ state }) => state !== "ready"),
    );
    const answer = await cluster.infer("sums", rows([1, 2, 3]), { headers: { "skerry-timeout-ms": "1000" } });
    expect([answer.status, answer.headers.get("skerry-error")]).toEqual([503, "MODEL_NOT_READY"]);
  });
});
