import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readFile } from "node:fs/promises";
import { digitOf, digitRequests } from "../../support/models/digit-request.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
  await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
  await cluster.deploy({ name: "digits", model: "digits", version: 1 });
  await cluster.whenDeploymentReady("digits");
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const pushes = async (): Promise<number> =>
  (await cluster.events()).filter(({ reason }) => reason === "ModelPushed").length;

describe("proc-replica-kill: the only control plane is killed", () => {
  it("leaves the nodes serving on their own address, and takes them back without a second push", async () => {
    const node = cluster.nodes.get("edge-a");
    const [first] = digitRequests();
    if (!node || !first) throw new Error("the cluster is not set up");
    expect(await pushes()).toBe(1);

    await cluster.controlPlane.kill();
    const local = await cluster.infer("digits", first.body, { base: node.localUrl });
    expect(local.status).toBe(200);
    expect(digitOf(await local.json())).toBe(first.label);

    cluster.restartControlPlane();
    await cluster.whenControlPlaneReady();
    await cluster.whenNode("edge-a", "ready");
    await cluster.whenDeploymentReady("digits");
    const through = await cluster.infer("digits", first.body);
    expect(through.status).toBe(200);
    expect(through.headers.get("skerry-node")).toBe("edge-a");
    expect(await pushes()).toBe(1);
  }, 120_000);

  it("leaves a node that was restarted meanwhile serving from its disk, under the version's aliases too", async () => {
    const node = cluster.nodes.get("edge-a");
    const [first] = digitRequests();
    if (!node || !first) throw new Error("the cluster is not set up");
    const askChampion = (): Promise<Response> =>
      cluster.infer("digits/versions/champion", first.body, { base: node.localUrl });
    expect((await askChampion()).status).toBe(404);
    await cluster.request("PUT", "/models/digits/aliases/champion", { version: 1 });
    await until("the node knows the alias", async () => (await askChampion()).status === 200);

    await cluster.controlPlane.kill();
    await node.process.kill();
    node.restart();
    await cluster.whenLocalReady(node);
    const local = await askChampion();
    expect(local.status).toBe(200);
    expect(local.headers.get("skerry-model-version")).toBe("digits:1");

    cluster.restartControlPlane();
    await cluster.whenControlPlaneReady();
    await cluster.whenNode("edge-a", "ready");
    await cluster.whenDeploymentReady("digits");
    expect(await pushes()).toBe(1);
  }, 120_000);
});
