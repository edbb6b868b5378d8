import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { CloudPoolInfo } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import type { Node } from "../../../shared/api/v1/nodes/nodes.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { steadyLoad, unanswered } from "../../support/processes/steady-load.ts";

const BODY = { inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] };

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url, {
    SKERRY_CLOUD_POOLS: "local=process:0-2",
    SKERRY_SCALE_DOWN_SECONDS: "4",
  });
  await cluster.publish("echo", identityModel("FP32", ["n", 2]));
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const ask = (): Promise<Response> => cluster.infer("echo", BODY, { headers: { "Skerry-Timeout-Ms": "60000" } });
const nodes = async (): Promise<readonly Node[]> => (await cluster.get<{ items: Node[] }>("/nodes")).items;
const pool = async (): Promise<CloudPoolInfo | undefined> =>
  (await cluster.get<{ items: CloudPoolInfo[] }>("/cloud-pools")).items[0];
const deploy = (cloud: object): Promise<unknown> =>
  cluster.deploy({
    name: "echo",
    model: "echo",
    version: 1,
    placement: { where: { matchLabels: { pool: "local" } }, cloud },
  });

describe("a pool of node processes on the control plane's machine", () => {
  it("starts a node for the first request, which waits for it", async () => {
    await deploy({ min: 0, max: 2 });
    await cluster.whenDeploymentReady("echo");
    expect(await nodes()).toEqual([]);
    expect((await ask()).status).toBe(200);
    expect(await nodes()).toMatchObject([
      { name: expect.stringMatching(/^local-[0-9a-f]{6}$/), kind: "cloud", labels: { pool: "local" }, state: "ready" },
    ]);
  }, 120_000);

  it("adds and removes nodes while requests are answered: none fails, and the nodes are gone from the fleet", async () => {
    const load = steadyLoad(20, ask);
    await deploy({ min: 2, max: 2 });
    await until(
      "two nodes answer",
      () => Promise.resolve(new Set(load.ended.slice(-40).map(({ node }) => node)).size === 2),
      60_000,
    );
    await deploy({ min: 1, max: 1 });
    await until("one process is left", async () => (await pool())?.pods.length === 1, 90_000);
    expect(unanswered(await load.stop()).failed).toEqual([]);
    await until("one node is left", async () => (await nodes()).length === 1, 60_000);
    expect((await pool())?.trouble).toBeNull();
  }, 180_000);

  it("has no node and no process without demand", async () => {
    await deploy({ min: 0, max: 2 });
    await until(
      "no process is left",
      async () => (await pool())?.replicas === 0 && (await pool())?.pods.length === 0,
      90_000,
    );
    await until("no node is left", async () => (await nodes()).length === 0, 60_000);
    expect(await pool()).toMatchObject({ wanted: 0, ready: 0, pending: 0 });
  }, 180_000);

  it("ends with a control plane that is killed, and the next one brings nodes of its own", async () => {
    await deploy({ min: 1, max: 2 });
    await until("a node is ready", async () => (await nodes()).some(({ state }) => state === "ready"), 60_000);
    const [before] = await nodes();
    await cluster.controlPlane.kill();
    cluster.restartControlPlane();
    await cluster.whenControlPlaneReady();
    await until(
      "another node is ready and the old one is gone",
      async () => {
        const now = await nodes();
        return now.length === 1 && now[0]?.state === "ready" && now[0].name !== before?.name;
      },
      120_000,
    );
    expect((await ask()).status).toBe(200);
  }, 180_000);
});
