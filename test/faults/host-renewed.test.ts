import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { runBombModel } from "../support/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { modelHostsOf } from "../support/process-facts.ts";
import { SkerryCluster, type ClusterNode } from "../support/skerry-cluster.ts";
import { until } from "../support/skerry-process.ts";
import { steadyLoad } from "../support/steady-load.ts";

const LIMIT_MIB = 160;

let database: TestDatabase;
let cluster: SkerryCluster;
let node: ClusterNode;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  node = await cluster.addNode("edge-a");
  await cluster.publish("hungry", runBombModel());
  await cluster.deploy({ name: "hungry", model: "hungry", version: 1, limits: { memMiB: LIMIT_MIB } });
  await cluster.whenDeploymentReady("hungry");
}, 60_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

/** A run that holds so many MiB twice over; the runtime keeps the memory afterwards. */
const run = (mebibytes: number): Promise<Response> =>
  cluster.infer("hungry", { inputs: [{ name: "mebibytes", datatype: "INT64", shape: [1], data: [mebibytes] }] });

describe("a model host that has grown close to its limit", () => {
  it("is replaced without a failed request, and the events say so", async () => {
    const pid = node.process.child.pid ?? 0;
    const [first] = await modelHostsOf(pid);
    expect((await run(56)).status).toBe(200);
    const load = steadyLoad(50, () => run(1));
    await until("another host serves alone", async () => {
      const hosts = await modelHostsOf(pid);
      return hosts.length === 1 && hosts[0] !== first;
    });
    const samples = await load.stop();
    expect(samples.length).toBeGreaterThan(50);
    expect(samples.filter(({ status }) => status !== 200)).toEqual([]);
    await until("it is told", async () =>
      (await cluster.events()).some(
        ({ reason, message }) => reason === "NodeReported" && /hungry:1 had grown to \d+ of its 160 MiB/.test(message),
      ),
    );
  }, 60_000);
});
