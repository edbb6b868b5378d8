import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Rollout } from "../../../../shared/api/v1/rollouts/rollouts.ts";
import { ROWS, scoresModel, scoreTable } from "../../../support/models/onnx/scores-model.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../../support/processes/skerry-cluster.ts";
import { until } from "../../../support/processes/skerry-process.ts";
import { steadyLoad, unanswered } from "../../../support/processes/steady-load.ts";

let database: TestDatabase;
let cluster: SkerryCluster;
let index = 0;

const send = (): Promise<Response> => {
  index = (index + 1) % ROWS;
  return cluster.infer("scores", { inputs: [{ name: "index", shape: [1], datatype: "INT64", data: [index] }] });
};
/** On two processors that neighbours keep busy. */
const PATIENCE_MS = 240_000;
const GATE = { maxWaitSeconds: 120 };
const deploy = (version: number, rollout: object) =>
  cluster.deploy({ name: "scores", model: "scores", version, placement: { edge: { min: 2 } }, rollout });

/** Undefined before the first one begins. */
const current = (): Promise<Rollout | undefined> =>
  cluster.get<Rollout>("/deployments/scores/rollout").catch(() => undefined);

/** The rollout to `version` when it has ended. */
async function ended(version: number): Promise<Rollout> {
  let last: Rollout | undefined;
  const hasEnded = async (): Promise<boolean> => {
    last = await current();
    return last?.to === version && ["promoted", "rolled-back", "paused"].includes(last.phase);
  };
  await until(`the rollout to ${version} has ended`, hasEnded, PATIENCE_MS).catch((error: unknown) => {
    throw new Error(`it is ${JSON.stringify(last)}`, { cause: error });
  });
  if (last === undefined) throw new Error("there is none");
  return last;
}

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await Promise.all(["edge-a", "edge-b"].map((name) => cluster.addNode(name)));
  await cluster.publish("scores", scoresModel(scoreTable()));
  await cluster.publish("scores", scoresModel(scoreTable({ rows: ROWS - 1 })));
  await cluster.publish("scores", scoresModel(scoreTable({ isTurned: true })));
  await cluster.publish("scores", scoresModel(scoreTable(), { layers: 400 }));
  await cluster.publish("scores", scoresModel(scoreTable().map((value) => value + 0.01)));
  await deploy(1, { strategy: "canary" });
  await cluster.whenDeploymentReady("scores");
}, 300_000);
afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

describe("a new version under load", () => {
  it("that fails on one of twenty requests returns in its first wave", async () => {
    const canary = { strategy: "canary", waves: [{ percent: 50 }], bakeSeconds: 60, gate: GATE };
    const { rollout } = await under(100, 2, canary);
    expect(rollout).toMatchObject({ phase: "rolled-back", wave: 1 });
    expect(rollout.findings).toContainEqual(expect.objectContaining({ check: "errors", result: "fail" }));
    expect(rollout.reason).toContain("of the new version failed");
    const after = [];
    for (let request = 0; request < 2 * ROWS; request += 1) after.push((await send()).status);
    expect(new Set(after)).toEqual(new Set([200]));
  }, 300_000);

  it("that is many times slower returns in its first wave", async () => {
    const canary = {
      strategy: "canary",
      waves: [{ percent: 50 }],
      bakeSeconds: 60,
      gate: { ...GATE, maxP95Ratio: 1.5 },
    };
    const { rollout } = await under(10, 4, canary);
    expect(rollout).toMatchObject({ phase: "rolled-back", wave: 1 });
    expect(rollout.findings).toContainEqual(expect.objectContaining({ check: "p95-ratio", result: "fail" }));
  }, 300_000);

  it("that decides otherwise returns before any caller sees it", async () => {
    const { rollout, samples } = await under(50, 3, { strategy: "shadow", bakeSeconds: 60, gate: GATE });
    expect(rollout).toMatchObject({ phase: "rolled-back", share: 0 });
    expect(rollout.findings).toContainEqual(expect.objectContaining({ check: "agreement", result: "fail" }));
    expect(unanswered(samples).failed).toEqual([]);
  }, 300_000);

  it("that is as good takes over without a failed request", async () => {
    const gate = {
      ...GATE,
      maxErrorRate: "20%",
      maxP95Ratio: 100,
      minAgreement: "80%",
      maxDifference: 0.02,
      minRequests: 20,
    };
    const { rollout, samples } = await under(50, 5, { strategy: "shadow", bakeSeconds: 1, gate });
    // Shows all of it, with the reason, when it is another.
    expect(rollout).toEqual(expect.objectContaining({ phase: "promoted", share: 100 }));
    const found = Object.fromEntries(rollout.findings.map(({ check, result }) => [check, result]));
    expect(found).toMatchObject({ agreement: "pass", difference: "pass", requests: "pass", errors: "pass" });
    expect(unanswered(samples).failed).toEqual([]);
    expect((await send()).headers.get("skerry-model-version")).toBe("scores:5");
  }, 300_000);
});

/** The rollout to `version` when it has ended, and what became of the requests meanwhile. */
async function under(perSecond: number, version: number, rollout: object) {
  const load = steadyLoad(perSecond, send);
  try {
    await deploy(version, rollout);
    return { rollout: await ended(version), samples: await load.stop() };
  } finally {
    await load.stop();
  }
}
