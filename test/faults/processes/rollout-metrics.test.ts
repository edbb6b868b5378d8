import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readFile } from "node:fs/promises";
import { digitRequests } from "../../support/models/digit-request.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  await cluster.addNode("edge-a");
  await cluster.publish("digits", await readFile("examples/digits/models/digits.onnx"));
  await cluster.publish("digits", await readFile("examples/digits/models/digits-small.onnx"));
  await cluster.deploy({ name: "digits", model: "digits", version: 1 });
  await cluster.whenDeploymentReady("digits");
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const metrics = async (): Promise<string> => {
  const headers = { Authorization: `Bearer ${cluster.adminKey}` };
  return (await fetch(`${cluster.url}/metrics`, { headers })).text();
};
const shows = (...lines: readonly string[]): Promise<true> =>
  until(lines.join(", "), async () => {
    const text = await metrics();
    return lines.every((line) => text.includes(`\n${line}\n`));
  });
const rollOut = (version: number): Promise<unknown> =>
  cluster.request("PUT", "/deployments/digits", {
    name: "digits",
    model: "digits",
    version,
    placement: { edge: { min: 1 } },
    rollout: { strategy: "canary", waves: [{ percent: 100 }], bakeSeconds: 3_600 },
  });

describe("the metrics of a rollout between real processes", () => {
  it("count its requests while it bakes, and say that an operator returned it", async () => {
    const [first] = digitRequests();
    if (!first) throw new Error("there is no request");
    await rollOut(1);
    await rollOut(2);
    await until("the rollout bakes", async () =>
      /skerry_rollout_phase_age_seconds\{[^}]*"baking"\} \d/.test(await metrics()),
    );
    for (let sent = 0; sent < 5; sent += 1) expect((await cluster.infer("digits", first.body)).status).toBe(200);
    const requests = 'skerry_rollout_requests_total{deployment="digits",version="new",from="callers",outcome="ok"}';
    await shows(`${requests} 5`, 'skerry_rollout_steps_total{deployment="digits",step="started"} 1');

    await cluster.request("POST", "/deployments/digits/rollout/abort", { why: "the test says so" });
    await shows(
      'skerry_rollout_returns_total{deployment="digits",reason="aborted"} 1',
      'skerry_rollout_steps_total{deployment="digits",step="rolled-back"} 1',
      'skerry_rollout_phase_seconds_count{phase="baking"} 1',
    );
    expect(await metrics()).not.toContain("skerry_rollout_phase_age_seconds{");
  }, 180_000);
});
