import { cp, readFile, writeFile } from "node:fs/promises";
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

describe("net-two-sockets: a copied state folder that dials another control plane", () => {
  it("leaves the first one connected, which hears of it", async () => {
    const node = cluster.nodes.get("edge-a");
    if (!node) throw new Error("the cluster is not set up");
    const { epoch } = await cluster.whenNode("edge-a", "ready");
    const port = await freePort();
    started.push(cluster.addControlPlane(port));
    await until(
      "the other control plane is ready",
      async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.ok,
    );
    const copy = path.join(cluster.directory, "copy");
    await cp(node.stateDir, copy, { recursive: true });
    const identity = path.join(copy, "identity.json");
    await writeFile(identity, (await readFile(identity, "utf8")).replaceAll(String(cluster.port), String(port)));
    const clone = new SkerryProcess("edge-node/main.ts", {
      env: { SKERRY_STATE_DIR: copy, SKERRY_LOCAL_PORT: String(await freePort()) },
      log: path.join(cluster.directory, "clone.log"),
    });
    started.push(clone);
    await until("the copy is refused", () => clone.output.includes("was this folder copied"));
    await until("the first one knows", () =>
      node.process.output.includes("another process has the identity of this node"),
    );
    const conflict = await until("there is a warning", async () =>
      (await cluster.events()).find(({ reason }) => reason === "IdentityConflict"),
    );
    expect(conflict.message).toContain("the one at another control plane is kept");
    expect(await cluster.whenNode("edge-a", "ready")).toMatchObject({ epoch });
  }, 180_000);
});
