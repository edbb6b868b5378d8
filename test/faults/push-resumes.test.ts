import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { largeModel } from "../support/large-model.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { SkerryCluster } from "../support/skerry-cluster.ts";
import { until } from "../support/skerry-process.ts";

const MIB = 1_048_576;

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const downloaded = async (): Promise<number> => (await cluster.placements("table"))[0]?.progress?.done ?? 0;

describe("net-cut: a node is killed in the middle of a 200 MiB push", () => {
  it("goes on where it stood: at most 1.05 times the missing bytes travel", async () => {
    const file = largeModel(200, 1);
    const node = cluster.nodes.get("edge-a");
    if (!node) throw new Error("the cluster is not set up");
    expect(await cluster.publish("table", file)).toMatchObject({ state: "ready" });
    await cluster.deploy({ name: "table", model: "table", version: 1, limits: { memMiB: 1_024 } });
    const before = await until("some of it has arrived", async () => {
      const done = await downloaded();
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
  }, 120_000);

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
  }, 120_000);
});
