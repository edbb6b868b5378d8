import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster, type ClusterNode } from "../../support/processes/skerry-cluster.ts";
import { freePort, SkerryProcess, until } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;
let node: ClusterNode;
const started: SkerryProcess[] = [];

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  node = await cluster.addNode("edge-a");
  await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
  await cluster.deploy({ name: "digits", model: "digits", version: 1 });
  await cluster.whenDeploymentReady("digits");
}, 180_000);

afterAll(async () => {
  await Promise.all(started.map((process) => process.stop()));
  await cluster?.stop();
  await database?.stop();
});

function start(env: NodeJS.ProcessEnv): SkerryProcess {
  const process = new SkerryProcess("edge-node/main.ts", {
    env: {
      SKERRY_STATE_DIR: node.stateDir,
      SKERRY_LOCAL_PORT: new URL(node.localUrl).port,
      SKERRY_NODE_NAME: "edge-a",
      ...env,
    },
    log: path.join(cluster.directory, "again.log"),
  });
  started.push(process);
  return process;
}

const names = async (): Promise<readonly string[]> =>
  (await cluster.get<{ items: { name: string }[] }>("/nodes")).items.map(({ name }) => name);
const page = async (): Promise<string> => (await fetch(`${node.localUrl}/status.json`)).text();

describe("sem-delete-live: a node that was removed", () => {
  it("is gone from the list, says what happened, serves on, and joins again in the same folder with a new token", async () => {
    await cluster.request("DELETE", "/nodes/edge-a");
    expect(await names()).toEqual([]);
    await until("its page says so", async () => (await page()).includes("was removed from its control plane"));
    expect(node.process.output).toContain("run `skerry join` with a new token and the same folder");
    expect((await fetch(`${node.localUrl}/v2/models/digits/ready`)).status).toBe(200);

    await node.process.stop();
    const { token } = await cluster.post<{ token: string }>("/join-tokens", { kind: "edge", site: "harbour" });
    start({ SKERRY_URL: cluster.url, SKERRY_JOIN_TOKEN: token });
    await cluster.whenNode("edge-a", "ready");
    await cluster.whenDeploymentReady("digits");
    expect(await names()).toEqual(["edge-a"]);
  }, 150_000);

  it("that was off meanwhile joins again as soon as it hears of its removal", async () => {
    await started[0]?.stop();
    await cluster.request("DELETE", "/nodes/edge-a");
    const { token } = await cluster.post<{ token: string }>("/join-tokens", { kind: "edge", site: "harbour" });
    const again = start({ SKERRY_URL: cluster.url, SKERRY_JOIN_TOKEN: token });
    await cluster.whenNode("edge-a", "ready");
    expect(again.output).toContain("it joins again");
  }, 120_000);
});

describe("a control plane that has moved", () => {
  it("is found by a node that has joined and is given its new SKERRY_URL", async () => {
    await Promise.all(started.map((process) => process.stop()));
    await cluster.controlPlane.stop();
    const port = await freePort();
    const moved = new SkerryProcess("control-plane/main.ts", {
      env: {
        DATABASE_URL: database.url,
        SKERRY_PORT: String(port),
        SKERRY_DATA_DIR: path.join(cluster.directory, "control-plane"),
      },
      log: path.join(cluster.directory, "moved.log"),
    });
    started.push(moved);
    const restarted = start({ SKERRY_URL: `http://127.0.0.1:${port}` });
    const connected = await until(
      "the node is connected",
      () => restarted.output.includes('"msg":"connected to the control plane"'),
      30_000,
    );
    expect(connected).toBe(true);
  }, 120_000);
});
