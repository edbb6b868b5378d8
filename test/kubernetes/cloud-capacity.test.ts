import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { CloudPoolInfo } from "../../shared/api/v1/nodes/cloud-pools.ts";
import type { Deployment } from "../../shared/api/v1/deployments/deployments.ts";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import { loopingRowsModel } from "../support/models/onnx/hostile-models.ts";
import type { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { type SteadyLoad, steadyLoad, unanswered } from "../support/processes/steady-load.ts";
import { quantile } from "../support/quantile.ts";
import { type ClusterWithPods, startClusterWithPods } from "./support/cluster-with-pods.ts";
import type { Kubernetes } from "./support/kubernetes.ts";

/** One request takes so long, in ms: 20/s of them are a load of 0.5. Two replicas are asked for above a load of 0.25. */
const SERVICE_MS = 25;
/** Asked for one measurement of the service time: the median counts, since a single one may be twice as long. */
const TRIALS = 9;

let started: ClusterWithPods;
let kubernetes: Kubernetes;
let cluster: SkerryCluster;
let until: ClusterWithPods["until"];
let podNames: ClusterWithPods["podNames"];
const loads: SteadyLoad[] = [];

beforeAll(async () => {
  started = await startClusterWithPods({
    SKERRY_CLOUD_POOLS: "default=skerry/skerry-node:0-2",
    SKERRY_SCALE_DOWN_SECONDS: "5",
  });
  ({ kubernetes, cluster, until, podNames } = started);
}, 180_000);

afterEach(async () => void (await Promise.all(loads.splice(0).map((load) => load.stop()))), 60_000);
afterAll(() => started?.stop(), 60_000);

const nodes = async (): Promise<readonly Node[]> => (await cluster.get<{ items: Node[] }>("/nodes")).items;
const pool = async (): Promise<CloudPoolInfo | undefined> =>
  (await cluster.get<{ items: CloudPoolInfo[] }>("/cloud-pools")).items[0];
const status = async (): Promise<Deployment["status"]> => (await cluster.get<Deployment>("/deployments/loop")).status;
const messages = async (reason: string, object: string): Promise<readonly string[]> =>
  (await cluster.events())
    .filter((event) => event.reason === reason && event.object === object)
    .map(({ message }) => message);

let turns = 1_000;
const ask = (): Promise<Response> =>
  cluster.infer(
    "loop",
    { inputs: [{ name: "x", shape: [1], datatype: "INT64", data: [turns] }] },
    { headers: { "Skerry-Timeout-Ms": "60000" } },
  );

async function medianInferMs(): Promise<number> {
  const trials: number[] = [];
  for (let trial = 0; trial < TRIALS; trial += 1) {
    const timing = (await ask()).headers.get("server-timing") ?? "";
    trials.push(Number(/infer;dur=([\d.]+)/.exec(timing)?.[1] ?? Number.NaN));
  }
  return quantile(trials, 0.5);
}

function loadOf(perSecond: number): SteadyLoad {
  const load = steadyLoad(perSecond, ask);
  loads.push(load);
  return load;
}

describe("a pool that follows demand", () => {
  it("has no pod without demand: the one that the manifest made is drained and removed", async () => {
    // Not the pods first: before the controller manager has made the pod there is none either.
    await until("it is scaled down", async () => (await messages("ScaledDown", "pool/default")).length > 0, 120_000);
    await until(
      "the pool has no pod",
      async () => (await pool())?.replicas === 0 && (await pool())?.pods.length === 0,
      120_000,
    );
    expect(await podNames()).toEqual([]);
    expect(await pool()).toMatchObject({ name: "default", min: 0, max: 2, wanted: 0, ready: 0, trouble: null });
  }, 180_000);

  it("brings a pod for the first request, which waits for it and for the model", async () => {
    await cluster.publish("loop", loopingRowsModel());
    await cluster.deploy({ name: "loop", model: "loop", version: 1, placement: { cloud: { min: 0, max: 2 } } });
    await cluster.whenDeploymentReady("loop");
    const answer = await ask();
    expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)]);
    expect(await messages("ScaledUp", "pool/default")).toEqual(
      expect.arrayContaining([expect.stringMatching(/^pods 0 → 1: 1 replica of 1 deployment ask for 1 pod$/)]),
    );
    for (let inferMs = 0; inferMs < SERVICE_MS * 0.8;) {
      inferMs = await medianInferMs();
      turns = Math.round((turns * SERVICE_MS) / Math.max(inferMs, SERVICE_MS / 4));
    }
  }, 180_000);

  it("grows over two zones under load, and drains and removes pods when it is gone: no request fails", async () => {
    const load = loadOf(20);
    await until(
      "replicas in both zones answer",
      async () => {
        const ready = new Set((await nodes()).filter(({ state }) => state === "ready").map(({ name }) => name));
        const answering = new Set(load.ended.slice(-40).map(({ node }) => node));
        return ready.size === 2 && answering.size === 2;
      },
      120_000,
    );
    expect(new Set((await nodes()).map(({ zone }) => zone))).toEqual(new Set(["north", "south"]));
    expect(await status()).toMatchObject({ cloud: { wanted: 2, ready: 2 } });
    const calm = loadOf(2);
    const busy = await load.stop();
    await until("one pod is left", async () => (await podNames()).length === 1, 120_000);
    const rest = await calm.stop();
    expect(unanswered([...busy, ...rest]).failed).toEqual([]);
    const [gone = ""] = await messages("ScaledDown", "pool/default").then((all) => all.slice(-1));
    expect(gone).toMatch(/^pods 2 → 1, without skerry-node-\S+: /);
    const [, removed = ""] = /without (\S+):/.exec(gone) ?? [];
    expect(await podNames()).not.toContain(removed);
    expect((await messages("NodeDrainStarted", `node/${removed}`))[0]).toMatch(/^pool default removes skerry-node-/);
    await until("its node is not listed", async () => !(await nodes()).some(({ name }) => name === removed), 60_000);
  }, 300_000);

  it("says in the cluster's words why pods cannot run, in the pool, the deployment and the events, and goes on after it", async () => {
    // From nothing: where the machine was slow, demand has risen again and the second pod is kept for half an hour.
    await cluster.request("DELETE", "/deployments/loop");
    await until("the pool has no pod", async () => (await podNames()).length === 0, 120_000);
    for (const machine of ["machine-1", "machine-2"]) await kubernetes.kubectl(["cordon", machine]);
    await cluster.deploy({ name: "loop", model: "loop", version: 1, placement: { cloud: { min: 2, max: 2 } } });
    const isUnschedulable = (text: string): boolean =>
      /Unschedulable: 0\/2 nodes are available: .*unschedulable/.test(text);
    await until("the pool says it", async () => isUnschedulable((await pool())?.trouble ?? ""), 60_000);
    await until(
      "the deployment says it",
      async () => {
        const stalled = (await status()).conditions.find(({ type }) => type === "Stalled");
        return stalled?.status === "True" && isUnschedulable(stalled.message);
      },
      60_000,
    );
    const [pending = ""] = ((await pool())?.pods ?? []).flatMap(({ name, state }) =>
      state === "pending" ? [name] : [],
    );
    expect((await messages("PodFailed", `node/${pending}`)).some(isUnschedulable)).toBe(true);
    expect((await messages("PoolStalled", "pool/default")).some(isUnschedulable)).toBe(true);
    for (const machine of ["machine-1", "machine-2"]) await kubernetes.kubectl(["uncordon", machine]);
    await until("both replicas are ready", async () => (await status()).cloud.ready === 2, 120_000);
    expect((await pool())?.trouble).toBeNull();
  }, 300_000);

  it("stays as it is while the API server is away, and goes on after that", async () => {
    await kubernetes.killApiServer();
    await cluster.deploy({ name: "loop", model: "loop", version: 1, placement: { cloud: { min: 1, max: 1 } } });
    await until("one replica is wanted", async () => (await status()).cloud.wanted === 1, 30_000);
    expect((await nodes()).filter(({ state }) => state === "ready")).toHaveLength(2);
    kubernetes.startApiServer();
    await kubernetes.whenReady();
    await until("one pod is left", async () => (await podNames()).length === 1, 120_000);
    const log = cluster.controlPlane.output.split("\n").filter((line) => line.includes("cannot be looked at"));
    expect(log.length).toBeLessThanOrEqual(1);
  }, 240_000);
});
