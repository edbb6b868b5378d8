import path from "node:path";
import { readFile } from "node:fs/promises";
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
}, 120_000);
afterAll(async () => {
  await Promise.all(started.map((process) => process.stop()));
  await cluster?.stop();
  await database?.stop();
});

interface Node {
  readonly state: string;
  readonly epoch: number;
  readonly placements: readonly unknown[];
  readonly approval: { readonly publicKey: string } | null;
}

const nodeNamed = (name: string): Promise<Node> => cluster.get<Node>(`/nodes/${name}`);

/** Starts a node with a token that needs an approval; what it says at /readyz. */
async function startWaiting(name: string): Promise<() => Promise<string>> {
  const { token } = await cluster.post<{ token: string }>("/join-tokens", { kind: "edge", needsApproval: true });
  const port = await freePort();
  started.push(
    new SkerryProcess("edge-node/main.ts", {
      env: {
        SKERRY_STATE_DIR: path.join(cluster.directory, name),
        SKERRY_LOCAL_PORT: String(port),
        SKERRY_NODE_NAME: name,
        SKERRY_URL: cluster.url,
        SKERRY_JOIN_TOKEN: token,
      },
      log: path.join(cluster.directory, `${name}.log`),
    }),
  );
  return async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).text();
}

describe("a node whose token needs an approval", () => {
  it("gets nothing while it waits, says its key, and serves once it is approved", async () => {
    await cluster.publish("digits", await readFile("examples/digits/models/digits-small.onnx"));
    await cluster.deploy({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } });
    const readyz = await startWaiting("dock-1");
    await until("it says that it waits", async () => /this node waits/.test(await readyz().catch(() => "")));
    const waiting = await nodeNamed("dock-1");
    expect(waiting).toMatchObject({ state: "waiting", epoch: 0, placements: [] });
    expect(await readyz()).toContain(waiting.approval?.publicKey ?? "no key");
    const { items } = await cluster.get<{ items: { name: string }[] }>("/nodes?state=waiting");
    expect(items.map(({ name }) => name)).toEqual(["dock-1"]);

    await cluster.post("/nodes/dock-1/approve", { publicKey: waiting.approval?.publicKey });
    await cluster.whenNode("dock-1", "ready");
    await cluster.whenDeploymentReady("digits");
    expect((await nodeNamed("dock-1")).approval).toBeNull();
  }, 180_000);

  it("hears that it was rejected", async () => {
    const readyz = await startWaiting("dock-2");
    await until("it waits", async () => /this node waits/.test(await readyz().catch(() => "")));
    await cluster.request("POST", "/nodes/dock-2/reject");
    await until("it says that it is void", async () => (await readyz()).includes("its key is void"));
    expect(await readyz()).not.toContain("this node waits");
  }, 120_000);
});
