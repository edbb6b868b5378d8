import { cp } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { freePort, SkerryProcess, until } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;
const started: SkerryProcess[] = [];

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
}, 180_000);

afterAll(async () => {
  await Promise.all(started.map((process) => process.stop()));
  await cluster?.stop();
  await database?.stop();
});

async function startNode(stateDir: string): Promise<SkerryProcess> {
  const process = new SkerryProcess("edge-node/main.ts", {
    env: { SKERRY_STATE_DIR: stateDir, SKERRY_LOCAL_PORT: String(await freePort()) },
    log: path.join(cluster.directory, "second.log"),
  });
  started.push(process);
  return process;
}

const original = () => {
  const node = cluster.nodes.get("edge-a");
  if (!node) throw new Error("the cluster is not set up");
  return node;
};

describe("net-two-sockets: a state folder that is used twice", () => {
  it("is refused to a second process on the same machine, and taken over from a killed one", async () => {
    const node = original();
    const second = await startNode(node.stateDir);
    expect(await second.exited).toBe(1);
    expect(second.output).toContain(`is in use by the node with process id ${node.process.child.pid}`);
    await node.process.kill();
    node.restart();
    await cluster.whenNode("edge-a", "ready");
  }, 120_000);

  it("as a copy leaves the first one connected, and a warning names both", async () => {
    const node = original();
    const copy = path.join(cluster.directory, "copy");
    await cp(node.stateDir, copy, { recursive: true });
    const { epoch } = await cluster.whenNode("edge-a", "ready");
    const clone = await startNode(copy);
    await until("the copy is refused", () => clone.output.includes("was this folder copied"));
    await until("the first one knows", () =>
      node.process.output.includes("another process has the identity of this node"),
    );
    const conflict = await until("there is a warning", async () =>
      (await cluster.events()).find(({ reason }) => reason === "IdentityConflict"),
    );
    expect(conflict).toMatchObject({ type: "Warning", object: "node/edge-a" });
    const { items } = await cluster.get<{ items: { action: string; target: string }[] }>("/audit?limit=20");
    expect(items).toContainEqual(expect.objectContaining({ action: "node.identity-conflict", target: "node/edge-a" }));
    expect(conflict.message.match(/127\.0\.0\.1:\d+/g)).toHaveLength(2);
    expect(await cluster.whenNode("edge-a", "ready")).toMatchObject({ epoch });

    await node.process.stop();
    await until("the copy takes its place", () => clone.output.includes("connected to the control plane"), 45_000);
  }, 150_000);
});
