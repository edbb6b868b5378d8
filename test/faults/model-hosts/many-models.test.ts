import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";

const MODELS = 20;
const CUTS = 5;
const MEM_MIB = 64;
/** Elements of a row of the first model's input, in each version. Every model has one more than the one before it. */
const [FIRST_WIDTH, SECOND_WIDTH] = [2, 102];

let database: TestDatabase;
let proxy: TcpProxy;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  proxy = await TcpProxy.start();
  cluster = await SkerryCluster.start(database.url, { SKERRY_NODE_URLS: `ws://127.0.0.1:${proxy.port}` });
  proxy.pointAt(cluster.port);
  await cluster.addNode("edge-a");
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await proxy?.stop();
  await database?.stop();
});

const names = Array.from({ length: MODELS }, (_, index) => `m-${index}`);

/** Publishes one more version of every model, each of its own bytes. */
async function publishAll(width: number): Promise<void> {
  for (const [index, name] of names.entries())
    expect(await cluster.publish(name, identityModel("FP32", ["n", width + index]))).toMatchObject({ state: "ready" });
}

async function deployAll(version: number): Promise<void> {
  for (const name of names) await cluster.deploy({ name, model: name, version, limits: { memMiB: MEM_MIB } });
}

const count = async (reason: string): Promise<number> =>
  (await cluster.events()).filter((event) => event.reason === reason).length;

async function isAllReady(): Promise<boolean> {
  const { items } = await cluster.get<{ items: Deployment[] }>("/deployments");
  return items.every(({ status }) => status.edge.ready === 1);
}

describe("a node that is given twenty models at once", () => {
  it("takes them all in one session", async () => {
    await publishAll(FIRST_WIDTH);
    await deployAll(1);
    for (const name of names) await cluster.whenDeploymentReady(name);
    expect(await count("ModelPushed")).toBe(MODELS);
    expect(await count("NodeDisconnected")).toBe(0);
  }, 180_000);

  it("takes the next twenty though its connections are cut again and again on the way", async () => {
    await publishAll(SECOND_WIDTH);
    await deployAll(2);
    // A node whose connection breaks again and again is given nothing more: what it takes has to be its by then.
    for (const name of names)
      await until(`${name}:2 is placed`, async () =>
        (await cluster.placements(name)).some(({ version }) => version === 2),
      );
    let cuts = 0;
    for (; cuts < CUTS && !(await isAllReady()); cuts += 1) {
      await cluster.whenNode("edge-a", "ready");
      const pushed = await count("ModelPushed");
      // A push whose end was cut off too is in no event.
      await until("one more was pushed", async () => (await count("ModelPushed")) > pushed || isAllReady());
      proxy.cut();
      await until("the cut was seen", async () => (await count("NodeDisconnected")) > cuts);
    }
    // The last models may have come before a slow machine was done with its cuts.
    expect(cuts).toBeGreaterThan(1);
    for (const name of names) await cluster.whenDeploymentReady(name);
    for (const [index, name] of names.entries()) {
      const width = SECOND_WIDTH + index;
      const answer = await cluster.infer(name, {
        inputs: [{ name: "x", datatype: "FP32", shape: [1, width], data: Array.from({ length: width }, () => 1) }],
      });
      expect(await answer.json()).toMatchObject({ model_version: "2", outputs: [{ shape: [1, width] }] });
    }
  }, 180_000);
});
