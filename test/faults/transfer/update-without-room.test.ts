import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

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

/** States in which a model uses the memory of its node. */
const LOADED = ["loading", "warming", "ready", "draining"];

describe("a model of which two versions do not fit into the memory of the only node", () => {
  it("is updated: the bytes come first, then the old version leaves and the new one loads", async () => {
    await cluster.publish("same", identityModel("FP32"));
    await cluster.publish("same", identityModel("FP32", ["n", 3]));
    const { capabilities } = await cluster.whenNode("edge-a", "ready");
    const memMiB = Math.floor((capabilities?.memMiB ?? 0) * 0.6);
    const spec = { name: "same", model: "same", limits: { memMiB } };
    await cluster.deploy({ ...spec, version: 1 });
    await cluster.whenDeploymentReady("same", 60_000);

    await cluster.deploy({ ...spec, version: 2 });
    const atOnce: number[] = [];
    await until(
      "version 2 serves alone",
      async () => {
        const placements = await cluster.placements("same");
        atOnce.push(placements.filter(({ state }) => LOADED.includes(state)).length);
        return placements.length === 1 && placements.every(({ version, state }) => version === 2 && state === "ready");
      },
      90_000,
    );
    expect(Math.max(...atOnce)).toBe(1);
    const left = (await cluster.events()).filter(({ reason }) => reason === "PlacementRemoved");
    expect(left.map(({ type }) => type)).toEqual(["Warning"]);
    expect(left[0]?.message).toContain("does not fit beside it");
  }, 240_000);
});
