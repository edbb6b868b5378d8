import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import { loadsIn } from "../../edge-node/adapters/engine/engine-gauges.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";
import { TritonServer } from "../support/processes/engines/triton-server.ts";

/** A node with Triton beside it. */

const ENGINE_MODEL = "sums-of-triton";
/** Requests that others send to it while it is busy. */
const OTHERS = 6;
let folder: string;
let database: TestDatabase;
let cluster: SkerryCluster;
let engine: TritonServer;
let node: ClusterNode;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "skerry-triton-"));
  engine = await TritonServer.start(folder, ENGINE_MODEL);
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  const settings = `oip=${engine.url},metrics=${engine.metricsUrl}`;
  node = await cluster.addNode("edge-a", { env: { SKERRY_ENGINES: settings } });
  const document = {
    model: ENGINE_MODEL,
    kind: "tensors",
    inputs: [{ name: "x", datatype: "FP64", shape: [-1, 3] }],
    outputs: [{ name: "y", datatype: "FP64", shape: [-1, 1] }],
  };
  await cluster.publishBundle("sums", { "engine.json": Buffer.from(JSON.stringify(document)) }, { runtime: "engine" });
  await cluster.deploy({ name: "sums", model: "sums", version: 1, placement: { edge: { min: 1 } } });
  await cluster.whenDeploymentReady("sums", 60_000);
}, 900_000);

afterAll(async () => {
  await cluster?.stop();
  await engine?.kill();
  await database?.stop();
  await rm(folder, { recursive: true, force: true });
});

const rows = (...values: readonly (readonly number[])[]): object => ({
  inputs: [{ name: "x", datatype: "FP64", shape: [values.length, 3], data: values.flat() }],
});

describe("Triton beside a node", () => {
  it("lists its model at the node, and answers under Skerry's names", async () => {
    const { capabilities } = await cluster.get<Node>("/nodes/edge-a");
    expect(capabilities?.engines).toMatchObject([{ api: "oip", models: [ENGINE_MODEL] }]);
    for (const base of [cluster.url, node.localUrl]) {
      const answer = await cluster.infer("sums", rows([1, 2, 3], [0.5, 0.25, 0]), { base });
      expect([answer.status, answer.headers.get("skerry-model-version")]).toEqual([200, "sums:1"]);
      expect(await answer.json()).toMatchObject({
        model_name: "sums",
        model_version: "1",
        outputs: [{ name: "y", datatype: "FP64", shape: [2, 1], data: [6, 0.75] }],
      });
    }
  });

  it("refuses what it does not take with its own words", async () => {
    const answer = await cluster.infer("sums", rows(...Array.from({ length: 9 }, () => [1, 2, 3])));
    expect([answer.status, answer.headers.get("skerry-error")]).toEqual([400, "INVALID_REQUEST"]);
    expect(await answer.json()).toEqual({ error: expect.stringContaining("batch-size must be <= 8") });
  });

  it("says in its metrics what waits in it for others", async () => {
    const others = Array.from({ length: OTHERS }, () =>
      fetch(`${engine.url}/v2/models/${ENGINE_MODEL}/infer`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(rows([-1, 0, 0])),
      }),
    );
    await until("all but one wait", async () => {
      const page = await (await fetch(engine.metricsUrl)).text();
      return loadsIn(page).get(ENGINE_MODEL)?.waiting === OTHERS - 1;
    });
    for (const other of others) expect((await other).status).toBe(200);
  }, 60_000);

  it("makes its placement not ready when it is gone", async () => {
    await engine.kill();
    await until("the placement is not ready", async () =>
      (await cluster.placements("sums")).every(({ state }) => state !== "ready"),
    );
    const answer = await cluster.infer("sums", rows([1, 2, 3]), { headers: { "skerry-timeout-ms": "1000" } });
    expect([answer.status, answer.headers.get("skerry-error")]).toEqual([503, "MODEL_NOT_READY"]);
  });
});
