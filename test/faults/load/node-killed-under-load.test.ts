import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readFile } from "node:fs/promises";
import { digitOf, digitRequests } from "../../support/models/digit-request.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { steadyLoad } from "../../support/processes/steady-load.ts";

const PER_SECOND = 60;

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url, { SKERRY_SUSPECT_MS: "3000", SKERRY_LOST_MS: "6000" });
  for (const name of ["edge-a", "edge-b", "edge-c"]) await cluster.addNode(name);
  await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
  await cluster.deploy({ name: "digits", model: "digits", version: 1, placement: { edge: { min: 2 } } });
  await cluster.whenDeploymentReady("digits");
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

describe("proc-agent-kill: a node that serves is killed under a steady load", () => {
  it("costs no request, and its replica is ready elsewhere afterwards", async () => {
    const [first] = digitRequests();
    if (!first) throw new Error("there are no samples");
    const load = steadyLoad(PER_SECOND, () => cluster.infer("digits", first.body));
    await until("the load runs", () => load.sent() > 2 * PER_SECOND);

    const [serving] = await cluster.placements("digits");
    const victim = cluster.nodes.get(serving?.node ?? "");
    if (!victim) throw new Error("no node serves");
    await victim.process.kill();

    const moved = await until(
      "two replicas are ready on other nodes",
      async () => {
        const ready = (await cluster.placements("digits")).filter(
          ({ state, node }) => state === "ready" && node !== victim.name,
        );
        return ready.length === 2 ? ready : undefined;
      },
      40_000,
    );
    const afterMove = load.sent();
    await until("the load went on after the move", () => load.sent() > afterMove + PER_SECOND);
    const samples = await load.stop();

    expect(samples.filter(({ status }) => status !== 200)).toEqual([]);
    expect(samples.length).toBeGreaterThan(4 * PER_SECOND);
    expect(moved.map(({ node }) => node)).not.toContain(victim.name);
    const answer: unknown = await (await cluster.infer("digits", first.body)).json();
    expect(digitOf(answer)).toBe(first.label);
  }, 150_000);

  it("is reported as events: disconnected, lost, scheduled again, pushed, ready, removed", async () => {
    const told = (await cluster.events()).map(({ reason }) => reason);
    for (const reason of [
      "NodeDisconnected",
      "NodeLost",
      "PlacementScheduled",
      "ModelPushed",
      "PlacementReady",
      "PlacementRemoved",
    ]) {
      expect(told).toContain(reason);
    }
    expect(told.lastIndexOf("NodeLost")).toBeGreaterThan(told.lastIndexOf("NodeDisconnected"));
    expect(told.lastIndexOf("PlacementReady")).toBeGreaterThan(told.lastIndexOf("NodeLost"));
  });
});
