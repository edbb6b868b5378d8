import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import type { ExplainResponse } from "../../../shared/api/v1/deployments/explain.ts";
import type { PlanResponse } from "../../../shared/api/v1/deployments/plan.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

const BODY = { inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] };
/** States in which a model uses the memory of its node. */
const LOADED = ["loading", "warming", "ready", "draining"];

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
  await cluster.publish("first", identityModel("FP32", ["n", 2]));
  await cluster.publish("second", identityModel("FP32", ["n", 2]));
}, 180_000);
afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

describe("two deployments of which the only node holds one", () => {
  it("the one of higher priority has it, and both say so; the other one is back when it is gone", async () => {
    const { capabilities } = await cluster.whenNode("edge-a", "ready");
    const limits = { memMiB: Math.floor((capabilities?.memMiB ?? 0) * 0.6) };
    const placement = { edge: { min: 0, max: 1 } };
    await cluster.deploy({ name: "low", model: "first", version: 1, placement, limits });
    await cluster.whenDeploymentReady("low");
    expect((await cluster.infer("first", BODY)).status).toBe(200);

    const high = { name: "high", model: "second", version: 1, priority: 10, placement: { edge: { min: 1 } }, limits };
    const foreseen = await cluster.post<PlanResponse>("/plan", { deployments: { apply: [high] } });
    expect(foreseen.steps.map(({ action, deployment, node }) => `${action} ${deployment} ${node}`)).toEqual([
      "remove low edge-a",
      "place high edge-a",
    ]);
    expect(await cluster.placements("high").catch(() => "none")).toBe("none");

    await cluster.deploy(high);
    let most = 0;
    await until(
      "the one of higher priority serves",
      async () => {
        const all = await Promise.all([cluster.placements("low"), cluster.placements("high")]);
        most = Math.max(most, all.flat().filter(({ state }) => LOADED.includes(state)).length);
        return all[1].some(({ state }) => state === "ready");
      },
      60_000,
    );
    expect(most).toBe(1);
    expect((await cluster.infer("second", BODY)).status).toBe(200);

    const { placements } = await cluster.get<ExplainResponse>("/deployments/high/explain");
    expect(placements[0]?.explain.victims).toMatchObject([{ deployment: "low", node: "edge-a", priority: 0 }]);
    const events = await cluster.events();
    expect(events.find(({ reason }) => reason === "PlacementPreempted")).toMatchObject({
      type: "Warning",
      object: "deployment/low",
      message: "first:1 leaves edge-a: it makes room for high, whose priority 10 is higher",
    });
    expect(
      events.find(({ reason, object }) => reason === "PlacementScheduled" && object === "deployment/high")?.message,
    ).toContain("first:1 of low (priority 0) leaves edge-a for it (priority 10)");
    await until("it says why it has no replica", async () => {
      const { status } = await cluster.get<Deployment>("/deployments/low");
      const stalled = status.conditions.find(({ type }) => type === "Stalled");
      return stalled?.reason === "Preempted" && stalled.message.includes("to make room for high");
    });
    const now = (await cluster.get<ExplainResponse>("/deployments/low/explain")).now;
    expect(now[0]?.preemptedBy).toEqual([{ deployment: "high", node: "edge-a", priority: 10, reason: "priority" }]);

    await cluster.request("DELETE", "/deployments/high");
    await until("the other one answers again", async () => (await cluster.infer("first", BODY)).status === 200, 60_000);
  }, 240_000);

  it("of equal priority: one that has its place by demand alone makes room for a minimum", async () => {
    const { capabilities } = await cluster.whenNode("edge-a", "ready");
    const limits = { memMiB: Math.floor((capabilities?.memMiB ?? 0) * 0.6) };
    await cluster.deploy({ name: "needed", model: "second", version: 1, placement: { edge: { min: 1 } }, limits });
    await cluster.whenDeploymentReady("needed");
    expect((await cluster.infer("second", BODY)).status).toBe(200);
    expect((await cluster.placements("low")).filter(({ state }) => LOADED.includes(state))).toEqual([]);
    const events = await cluster.events();
    expect(events.find(({ reason }) => reason === "PlacementEvicted")).toMatchObject({
      type: "Warning",
      object: "deployment/low",
      message: "first:1 leaves edge-a: it makes room for needed, which has not its minimum, while low has more",
    });
    const { placements } = await cluster.get<ExplainResponse>("/deployments/needed/explain");
    expect(placements[0]?.explain.victims).toMatchObject([{ deployment: "low", node: "edge-a", reason: "minimum" }]);
  }, 240_000);
});
