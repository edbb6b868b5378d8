import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { ConnectProxy } from "../../support/network/connect-proxy.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;
let proxy: ConnectProxy;
let address: string;

beforeAll(async () => {
  database = await startTestDatabase();
  proxy = new ConnectProxy("edge:secret");
  const proxyPort = await proxy.start();
  const port = String(await freePort());
  // Only the proxy knows this name.
  address = `skerry.invalid:${port}`;
  cluster = await SkerryCluster.start(database.url, { SKERRY_PORT: port, SKERRY_PUBLIC_URL: `http://${address}` });
  await cluster.addNode("edge-a", {
    env: {
      SKERRY_URL: `http://${address}`,
      SKERRY_TRUSTED_NETWORK: "1",
      HTTP_PROXY: `http://edge:secret@127.0.0.1:${proxyPort}`,
    },
  });
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await proxy?.stop();
  await database?.stop();
});

describe("a node behind a forward proxy", () => {
  it("joins, receives a model and answers through it alone", async () => {
    await cluster.publish("echo", identityModel("FP32", ["n", 2]));
    await cluster.deploy({ name: "echo", model: "echo", version: 1, placement: { edge: { min: 1 } } });
    await cluster.whenDeploymentReady("echo");
    const response = await fetch(`${cluster.url}/v2/models/echo/infer`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${cluster.adminKey}` },
      body: JSON.stringify({ inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, -2.5] }] }),
    });
    expect(await response.json()).toMatchObject({ outputs: [{ data: [1, -2.5] }] });
    // The join, and the channels for control, transfer and inference.
    expect(proxy.asked.length).toBeGreaterThanOrEqual(4);
    expect(new Set(proxy.asked)).toEqual(new Set([address]));
  }, 120_000);
});
