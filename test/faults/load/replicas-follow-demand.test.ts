import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import { identityModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { steadyLoad, unanswered } from "../../support/processes/steady-load.ts";

const BODY = { inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] };

let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url, { SKERRY_SCALE_DOWN_SECONDS: "5" });
  await cluster.addNode("cloud-a", { kind: "cloud" });
  await cluster.publish("echo", identityModel("FP32", ["n", 2]));
  await cluster.deploy({ name: "echo", model: "echo", version: 1, placement: { cloud: { min: 0, max: 1 } } });
  await cluster.whenDeploymentReady("echo");
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const ask = (): Promise<Response> => cluster.infer("echo", BODY);
const status = async (): Promise<Deployment["status"]> => (await cluster.get<Deployment>("/deployments/echo")).status;

describe("a deployment whose replicas follow demand from zero", () => {
  it("has none without requests, and is ready all the same", async () => {
    const { cloud, conditions } = await status();
    expect(cloud).toEqual({ wanted: 0, placed: 0, ready: 0 });
    expect(conditions[0]).toMatchObject({ status: "True", message: expect.stringContaining("the first one starts") });
  });

  it("answers the first requests, which wait for the replica", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    const events = await cluster.events();
    expect(events.find(({ reason }) => reason === "ScaledUp")).toMatchObject({
      object: "deployment/echo",
      message: expect.stringMatching(/^cloud replicas 0 → 1, its maximum: demand .*\/s, \d+ waiting → \d replicas?$/),
    });
  }, 120_000);

  it("loses the replica when nobody asks any more, and none of the requests that come while it leaves", async () => {
    const load = steadyLoad(20, ask);
    await until("the load is answered", () => Promise.resolve(load.ended.length > 40));
    const samples = await load.stop();
    await until("no replica is left", async () => (await status()).cloud.placed === 0, 60_000);
    // The next ones come while it leaves, and after it has left.
    const late = steadyLoad(20, ask);
    await until("a replica answers again", () => Promise.resolve(late.ended.length > 20), 60_000);
    expect(unanswered([...samples, ...(await late.stop())]).failed).toEqual([]);
    expect((await cluster.events()).some(({ reason }) => reason === "ScaledDown")).toBe(true);
  }, 180_000);
});
