import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { runBombModel } from "../../support/models/onnx/hostile-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { modelHostsOf } from "../../support/processes/process-facts.ts";
import { SkerryCluster, type ClusterNode } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { type LoadSample, steadyLoad } from "../../support/processes/steady-load.ts";

/** A host has 42–60 MiB and keeps 2.1 MiB for each MiB of its largest run: with the runs below it comes to 86–92 % of both limits. */
const LIMIT_MIB = 184;

const RAISED_MIB = 300;

let database: TestDatabase;
let cluster: SkerryCluster;
let node: ClusterNode;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  node = await cluster.addNode("edge-a");
  await cluster.publish("hungry", runBombModel());
  await deploy(LIMIT_MIB);
  await cluster.whenDeploymentReady("hungry");
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

const deploy = (memMiB: number): Promise<unknown> =>
  cluster.deploy({ name: "hungry", model: "hungry", version: 1, limits: { memMiB } });

/** A run that holds so many MiB twice over; the runtime keeps the memory afterwards. */
const run = (mebibytes: number): Promise<Response> =>
  cluster.infer("hungry", { inputs: [{ name: "mebibytes", datatype: "INT64", shape: [1], data: [mebibytes] }] });

/** What callers saw while 50 requests a second were sent, from `change` until one other host serves alone, and for a second at least. */
async function seenWhileReplaced(change: () => Promise<unknown>): Promise<readonly LoadSample[]> {
  const pid = node.process.child.pid ?? 0;
  const [first] = await modelHostsOf(pid);
  await change();
  const load = steadyLoad(50, () => run(1));
  await until("another host serves alone", async () => {
    const hosts = await modelHostsOf(pid);
    return load.sent() > 50 && hosts.length === 1 && hosts[0] !== first;
  });
  return load.stop();
}

const isTold = (pattern: RegExp): Promise<boolean> =>
  until("it is told", async () =>
    (await cluster.events()).some(({ reason, message }) => reason === "NodeLog" && pattern.test(message)),
  );

const failedOf = (samples: readonly LoadSample[]): readonly LoadSample[] =>
  samples.filter(({ status }) => status !== 200);

describe("a model host that has grown close to its limit", () => {
  it("is replaced without a failed request, and the events say so", async () => {
    const samples = await seenWhileReplaced(async () => expect((await run(56)).status).toBe(200));
    expect(samples.length).toBeGreaterThan(50);
    expect(failedOf(samples)).toEqual([]);
    expect(await isTold(/hungry:1 had come to \d+ of its 184 MiB and was/)).toBe(true);
  }, 120_000);
});

describe("a model host whose limit is raised", () => {
  it("may hold more at once, and near the new limit is replaced without a failed request", async () => {
    const samples = await seenWhileReplaced(async () => {
      await deploy(RAISED_MIB);
      // Asked before, it would need too much memory and end the host that is watched.
      await until("the raised limit holds", async () => {
        const [placement] = await cluster.placements("hungry");
        return placement?.limitMiB === RAISED_MIB;
      });
      expect((await run(100)).status).toBe(200);
    });
    expect(samples.length).toBeGreaterThan(50);
    expect(failedOf(samples)).toEqual([]);
    expect(await isTold(/hungry:1 had come to \d+ of its 300 MiB and was/)).toBe(true);
  }, 120_000);
});
