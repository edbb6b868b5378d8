import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { modelHostsOf } from "../../support/processes/process-facts.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";

let database: TestDatabase;
let cluster: SkerryCluster;
let stateDir: string;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  // Others may enter the folder above it: the folder of a cluster is for its owner alone.
  stateDir = await mkdtemp(path.join(tmpdir(), "skerry-state-"));
}, 120_000);
afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
  await rm(stateDir, { recursive: true, force: true });
});

const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

asRoot("a node that runs as root", () => {
  it("serves by hosts of another user what was pushed to it, again after a restart", async () => {
    const node = await cluster.addNode("dock-7", { env: { SKERRY_STATE_DIR: stateDir } });
    await cluster.publish("digits", await readFile("examples/digits/models/digits-small.onnx"));
    await cluster.deploy({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 1 } } });
    await cluster.whenDeploymentReady("digits");
    const usersOfHosts = async (): Promise<(string | undefined)[]> => {
      const pids = await modelHostsOf(node.process.child.pid ?? 0);
      const statuses = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, "utf8")));
      return [...new Set(statuses.map((status) => /^Uid:\t(\d+)\t/m.exec(status)?.[1]))];
    };
    expect(await usersOfHosts()).toEqual(["61000"]);
    await node.process.stop();
    node.restart();
    await cluster.whenLocalReady(node);
    expect(await usersOfHosts()).toEqual(["61000"]);
  }, 180_000);
});
