import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Rollout } from "../../../../shared/api/v1/rollouts/rollouts.ts";
import { unknownOperatorModel } from "../../../support/models/onnx/hostile-models.ts";
import { identityModel } from "../../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../../support/processes/skerry-cluster.ts";
import { until } from "../../../support/processes/skerry-process.ts";
import { steadyLoad, unanswered } from "../../../support/processes/steady-load.ts";

const PER_SECOND = 20;
const EDGES = ["edge-a", "edge-b", "edge-c"];
const CLOUDS = ["cloud-a"];
const BODY = { inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] };
const PATIENCE_MS = 90_000;

let database: TestDatabase;
let cluster: SkerryCluster;

const spec = (version: number) => ({
  name: "echo",
  model: "echo",
  version,
  placement: { edge: { every: true }, cloud: { every: true } },
  rollout: { strategy: "canary", waves: [{ percent: 20 }, { percent: 50 }], bakeSeconds: 0 },
});

const whenRolloutIs = (phase: Rollout["phase"], to: number): Promise<Rollout> =>
  until(
    `the rollout to ${to} is ${phase}`,
    async () => {
      const found = await cluster.get<Rollout>("/deployments/echo/rollout").catch(() => undefined);
      return found?.to === to && found.phase === phase ? found : undefined;
    },
    PATIENCE_MS,
  );

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  for (const name of EDGES) await cluster.addNode(name);
  for (const name of CLOUDS) await cluster.addNode(name, { kind: "cloud" });
  await cluster.publish("echo", identityModel("FP32", ["n", 2]));
  await cluster.deploy(spec(1));
  await cluster.whenDeploymentReady("echo", PATIENCE_MS);
}, 240_000);
afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

describe("rollouts over edge and cloud nodes under load", () => {
  it("promote a good version, and return from one that does not load in its first wave; no request fails", async () => {
    await cluster.publish("echo", identityModel("FP32", ["n", 2]));
    await cluster.publish("echo", unknownOperatorModel());
    const load = steadyLoad(PER_SECOND, () => cluster.infer("echo", BODY));
    await until("the load runs", () => load.sent() > PER_SECOND);

    await cluster.deploy(spec(2));
    const promoted = await whenRolloutIs("promoted", 2);
    expect(promoted.nodes.map(({ node, state }) => `${node} ${state}`).toSorted()).toEqual(
      [...CLOUDS, ...EDGES].map((node) => `${node} switched`),
    );
    await cluster.whenDeploymentReady("echo", PATIENCE_MS);

    await cluster.deploy(spec(3));
    const returned = await whenRolloutIs("rolled-back", 3);
    expect(returned).toMatchObject({ from: 2, wave: 1, share: 0 });
    expect(returned.reason).toMatch(/^echo:3 returns to 2: echo:3 failed on .*: LOAD_FAILED/);
    const placements = (await cluster.placements("echo")).filter(({ wanted }) => wanted === "serve");
    expect(placements.map(({ node, version, state }) => `${node} ${version} ${state}`).toSorted()).toEqual(
      [...CLOUDS, ...EDGES].map((node) => `${node} 2 ready`),
    );

    const sent = load.sent();
    await until("the load goes on", () => load.sent() > sent + PER_SECOND);
    const { failed } = unanswered(await load.stop());
    expect(failed).toEqual([]);
    const reasons = (await cluster.events()).map(({ reason }) => reason).filter((reason) => /Roll|Wave/.test(reason));
    expect(reasons).toEqual([
      "RolloutStarted",
      "WavePromoted",
      "WavePromoted",
      "RolloutPromoted",
      "RolloutStarted",
      "RollingBack",
      "RolledBack",
    ]);
  }, 240_000);
});
