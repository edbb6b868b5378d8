import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { floatsOf, largeBundle, largeModel, tableOf } from "../../support/models/onnx/large-model.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

const MIB = 1_048_576;

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

/**
 * Bytes of unfinished artifacts on a node's disk. Progress reports come about once a second, and on an idle machine a whole
 * push takes no longer.
 */
async function stagedBytes(node: string): Promise<number> {
  const entries = await readdir(path.join(cluster.directory, node), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  const files = entries.filter((entry) => entry.isFile() && entry.parentPath.includes(`${path.sep}staging${path.sep}`));
  const sizes = await Promise.all(
    files.map(({ parentPath, name }) =>
      stat(path.join(parentPath, name)).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe("net-cut: a node is killed in the middle of a 200 MiB push", () => {
  it("goes on where it stood: at most 1.05 times the missing bytes travel", async () => {
    const file = largeModel(200, 1);
    const node = cluster.nodes.get("edge-a");
    if (!node) throw new Error("the cluster is not set up");
    expect(await cluster.publish("table", file)).toMatchObject({ state: "ready" });
    await cluster.deploy({ name: "table", model: "table", version: 1, limits: { memMiB: 1_024 } });
    const before = await until("some of it has arrived", async () => {
      const done = await stagedBytes("edge-a");
      return done > 20 * MIB && done < 160 * MIB ? done : undefined;
    });
    await node.process.kill();
    await cluster.whenNode("edge-a", "suspect");

    node.restart();
    await cluster.whenDeploymentReady("table", 60_000);
    const done = (await cluster.events()).filter(({ reason }) => reason === "ModelPushed");
    expect(done).toHaveLength(1);
    const [, received = "0", reused = "0"] =
      /: (\d+) bytes sent, (\d+) were there already/.exec(done[0]?.message ?? "") ?? [];
    expect(Number(reused)).toBeGreaterThanOrEqual(before * 0.95);
    expect(Number(received)).toBeLessThanOrEqual(1.05 * (file.byteLength - Number(reused)));
    const answer = await cluster.infer("table", {
      inputs: [{ name: "index", datatype: "INT64", shape: [1], data: [0] }],
    });
    expect(answer.status).toBe(200);
  }, 180_000);

  it("sends a second version's changed chunks only", async () => {
    const file = largeModel(200, 1);
    file.fill(7, 100 * MIB, 100 * MIB + 4);
    expect(await cluster.publish("table", file)).toMatchObject({ state: "ready", version: 2 });
    await cluster.deploy({ name: "table", model: "table", version: 2, limits: { memMiB: 1_024 } });
    await until(
      "the new version serves",
      async () => {
        const [only, ...more] = (await cluster.placements("table")).filter(({ state }) => state === "ready");
        return only?.version === 2 && more.length === 0;
      },
      60_000,
    );
    const second = (await cluster.events()).findLast(({ reason }) => reason === "ModelPushed");
    const [, received = "0"] = /: (\d+) bytes sent/.exec(second?.message ?? "") ?? [];
    expect(Number(received)).toBeLessThan(4 * MIB);
  }, 180_000);
});

describe("net-cut: a node is killed in the middle of a bundle's push", () => {
  const MIB_EACH = 60;
  const bundle = largeBundle(2 * MIB_EACH, 7);

  it("goes on in the file where it stood, and serves the graph with its external data", async () => {
    const node = await cluster.addNode("edge-b");
    expect(await cluster.publishBundle("parts", bundle)).toMatchObject({ state: "ready", main: "net.onnx" });
    await cluster.deploy({
      name: "parts",
      model: "parts",
      version: 1,
      placement: { where: { matchLabels: { name: "edge-b" } }, edge: { min: 1 } },
    });
    const before = await until("some of the second file has arrived", async () => {
      const done = await stagedBytes("edge-b");
      return done > (MIB_EACH + 10) * MIB && done < (2 * MIB_EACH - 10) * MIB ? done : undefined;
    });
    await node.process.kill();
    await cluster.whenNode("edge-b", "suspect");
    node.restart();
    await cluster.whenDeploymentReady("parts", 60_000);
    const pushed = (await cluster.events()).findLast(({ reason }) => reason === "ModelPushed");
    const [, received = "0", reused = "0"] =
      /: (\d+) bytes sent, (\d+) were there already/.exec(pushed?.message ?? "") ?? [];
    expect(Number(reused)).toBeGreaterThanOrEqual(before * 0.95);
    expect(Number(received)).toBeLessThanOrEqual(1.05 * (2 * MIB_EACH * MIB - Number(reused)) + MIB);
    const at = 1_234_567;
    const answer = await cluster.infer("parts", {
      inputs: [{ name: "index", datatype: "INT64", shape: [1], data: [at] }],
    });
    const length = MIB_EACH * 262_144;
    expect(await floatsOf(answer)).toEqual([tableOf(length, 7)[at], tableOf(length, 8)[at]]);
  }, 180_000);

  it("sends of a second version only the file that changed", async () => {
    expect(await cluster.publishBundle("parts", { ...bundle, "tokenizer.json": Buffer.from("{}") })).toMatchObject({
      state: "ready",
      version: 2,
    });
    await cluster.deploy({
      name: "parts",
      model: "parts",
      version: 2,
      placement: { where: { matchLabels: { name: "edge-b" } }, edge: { min: 1 } },
    });
    await until(
      "the new version serves",
      async () => {
        const serving = (await cluster.placements("parts")).filter(({ state }) => state === "ready");
        return serving.length === 1 && serving[0]?.version === 2;
      },
      60_000,
    );
    const pushed = (await cluster.events()).findLast(({ reason }) => reason === "ModelPushed");
    expect(pushed?.message).toMatch(/: 2 bytes sent, \d+ were there already/);
  }, 180_000);
});
