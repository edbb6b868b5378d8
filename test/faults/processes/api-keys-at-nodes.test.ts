import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { type ClusterNode, SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { secretOf } from "../../support/secret-of.ts";

let database: TestDatabase;
let cluster: SkerryCluster;
let node: ClusterNode;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  node = await cluster.addNode("dock-7", { env: { SKERRY_LOCAL_HOST: "0.0.0.0" } });
  await cluster.publish("digits", await readFile("examples/digits/models/digits-small.onnx"));
  await cluster.deploy({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } });
  await cluster.whenDeploymentReady("digits");
}, 180_000);
afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

interface Made {
  readonly id: string;
  readonly key: string;
}
const makeKey = (over: object): Promise<Made> => cluster.post<Made>("/api-keys", { name: "till", ...over });

/** What the node's own address answers to a look at the model with this key. */
const statusWith = async (key: string): Promise<number> =>
  (await fetch(`${node.localUrl}/v2/models/digits`, { headers: { Authorization: `Bearer ${key}` } })).status;
const untilStatus = (key: string, status: number): Promise<unknown> =>
  until(`the node answers ${status}`, async () => (await statusWith(key).catch(() => 0)) === status);

describe("a node whose own address asks for keys", () => {
  it("takes an API key in its scope, until it is revoked, also without its control plane and after a restart of its own", async () => {
    const till = await makeKey({ role: "application", models: ["digits"] });
    const lost = await makeKey({ role: "application", models: ["digits"] });
    const other = await makeKey({ role: "application", models: ["faces"] });
    await untilStatus(till.key, 200);
    await untilStatus(lost.key, 200);
    expect(await statusWith(other.key)).toBe(401);
    expect(await statusWith(cluster.adminKey)).toBe(200);

    await cluster.request("DELETE", `/api-keys/${lost.id}`);
    await untilStatus(lost.key, 401);

    await cluster.controlPlane.kill();
    expect(await statusWith(till.key)).toBe(200);
    await node.process.stop();
    node.restart();
    await untilStatus(till.key, 200);
    expect(await statusWith(lost.key)).toBe(401);
    const file = path.join(node.stateDir, "callers.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, "utf8")).not.toContain(secretOf(till.key));

    cluster.restartControlPlane();
    await cluster.whenControlPlaneReady();
    await cluster.whenNode("dock-7", "ready");
    await cluster.request("DELETE", `/api-keys/${till.id}`);
    await untilStatus(till.key, 401);
  }, 180_000);
});
