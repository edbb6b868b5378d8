import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loopModel } from "../../support/models/onnx/hostile-models.ts";
import { regressorModel } from "../../support/models/onnx/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { modelHostsOf } from "../../support/processes/process-facts.ts";
import { SkerryCluster, type ClusterNode } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

const SUMS = ["sum-1", "sum-2", "sum-3", "sum-4", "sum-5", "sum-6"];

let database: TestDatabase;
let cluster: SkerryCluster;
let node: ClusterNode;

beforeAll(async () => {
  database = await startTestDatabase();
  cluster = await SkerryCluster.start(database.url);
  node = await cluster.addNode("edge-a");
  await Promise.all(SUMS.map((name, i) => serve(name, regressorModel({ features: 2, intercept: 100 * (i + 1) }))));
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
});

async function serve(name: string, file: Uint8Array): Promise<void> {
  await cluster.publish(name, file);
  await cluster.deploy({ name, model: name, version: 1, limits: { isolation: "shared" } });
  await cluster.whenDeploymentReady(name);
}

const hosts = (): Promise<readonly number[]> => modelHostsOf(node.process.child.pid ?? 0);

/** By name, in which host it runs. */
async function hostOf(name: string): Promise<string | null | undefined> {
  const [placement] = await cluster.placements(name);
  return placement?.state === "ready" ? placement.host : undefined;
}

const whenAllShare = (): Promise<true> =>
  until("all models share a host", async () =>
    (await Promise.all(SUMS.map(hostOf))).every((host) => host === "shared-1"),
  );

interface Answered {
  readonly name: string;
  readonly status: number;
  readonly isRight: boolean;
}

/** Asks the models in turn until `stop`, each for the sum of two numbers that no other request has. */
function askInTurn(): { readonly answered: readonly Answered[]; stop(): Promise<readonly Answered[]> } {
  const answered: Answered[] = [];
  let isStopped = false;
  const askers = SUMS.map(async (name, i) => {
    for (let n = 1; !isStopped; n += 1) {
      const response = await cluster.infer(name, {
        inputs: [{ name: "X", datatype: "FP32", shape: [1, 2], data: [n, 1] }],
      });
      const body = (await response.json()) as { outputs?: readonly { data: readonly number[] }[] };
      const isRight = body.outputs?.[0]?.data[0] === n + 1 + 100 * (i + 1);
      answered.push({ name, status: response.status, isRight });
    }
  });
  return {
    answered,
    async stop() {
      isStopped = true;
      await Promise.all(askers);
      return answered;
    },
  };
}

const isTold = (pattern: RegExp): Promise<boolean> =>
  until("it is told", async () => (await cluster.events()).some(({ message }) => pattern.test(message)));

describe("a shared model host", () => {
  it("that somebody kills is back with all of its models, answers nothing wrong, and the event names them", async () => {
    await whenAllShare();
    const [killed, ...others] = await hosts();
    expect([killed, ...others]).toHaveLength(1);
    const asking = askInTurn();
    await until("each model has answered", () => SUMS.every((name) => asking.answered.some((of) => of.name === name)));
    process.kill(killed ?? 0, "SIGKILL");
    await until("another process serves", async () => (await hosts()).some((pid) => pid !== killed));
    await whenAllShare();
    const before = asking.answered.length;
    await until("each model has answered again", () =>
      SUMS.every((name) => asking.answered.slice(before).some((of) => of.name === name && of.isRight)),
    );
    const answered = await asking.stop();
    expect(answered.filter(({ status, isRight }) => status === 200 && !isRight)).toEqual([]);
    expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
    await isTold(/^the shared model host shared-1 ended: signal SIGKILL.*none of its models did it/);
    const told = (await cluster.events()).find(({ message }) => message.startsWith("the shared model host shared-1"));
    for (const name of SUMS) expect(told?.message).toContain(`${name}:1`);
  }, 180_000);

  it("that one of its models hangs is back without that one, which has a host of its own", async () => {
    await serve("hangs", loopModel({ forever: false }));
    await until("it shares a host", async () => (await hostOf("hangs")) === "shared-1");
    const asking = askInTurn();
    const body = { inputs: [{ name: "turns", datatype: "INT64", shape: [], data: [1_000_000_000] }] };
    const hung = await cluster.infer("hangs", body, { headers: { "skerry-timeout-ms": "4000" } });
    expect([hung.status, (await hung.json()) as object]).toEqual([504, expect.anything()]);
    await whenAllShare();
    await until("it is alone", async () => (await hostOf("hangs")) === null);
    const answered = await asking.stop();
    expect(answered.filter(({ status, isRight }) => status === 200 && !isRight)).toEqual([]);
    expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
    await isTold(
      /^the shared model host shared-1 ended: killed after 2000 ms.*hangs:1 ran then and has a host of its own/,
    );
  }, 180_000);
});
