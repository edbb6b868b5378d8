import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { CloudPoolInfo } from "../../shared/api/v1/nodes/cloud-pools.ts";
import type { Deployment } from "../../shared/api/v1/deployments/deployments.ts";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import type { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { SkerryProcess } from "../support/processes/skerry-process.ts";
import { type ClusterWithPods, NODE_ACCOUNT, startClusterWithPods } from "./support/cluster-with-pods.ts";
import { joinAsPod } from "./support/join-as-pod.ts";
import type { Kubernetes } from "./support/kubernetes.ts";

let started: ClusterWithPods;
let kubernetes: Kubernetes;
let cluster: SkerryCluster;
let until: ClusterWithPods["until"];

beforeAll(async () => {
  started = await startClusterWithPods({
    SKERRY_CLOUD_POOLS: "default=skerry/skerry-node:2-3",
    SKERRY_SUSPECT_MS: "6000",
    SKERRY_LOST_MS: "12000",
    SKERRY_SCALE_DOWN_SECONDS: "5",
  });
  ({ kubernetes, cluster, until } = started);
  await until("two nodes are ready", async () => (await readyNodes()).length === 2, 120_000);
  await cluster.publish("echo", identityModel("FP32", ["n", 2]));
  await deploy(2);
  await cluster.whenDeploymentReady("echo", 60_000);
}, 300_000);

afterAll(() => started?.stop(), 120_000);

const deploy = (replicas: number): Promise<Deployment> =>
  cluster.deploy({
    name: "echo",
    model: "echo",
    version: 1,
    placement: { edge: { min: 0 }, cloud: { min: replicas } },
  });
const nodes = async (): Promise<readonly Node[]> => (await cluster.get<{ items: Node[] }>("/nodes")).items;
const readyNodes = async (): Promise<readonly string[]> =>
  (await nodes()).filter(({ state }) => state === "ready").map(({ name }) => name);
const pool = async (): Promise<CloudPoolInfo> => {
  const [found] = (await cluster.get<{ items: CloudPoolInfo[] }>("/cloud-pools")).items;
  if (!found) throw new Error("the pool is not recorded");
  return found;
};
const troubleOf = async (pod: string): Promise<string> =>
  (await pool()).pods.find(({ name }) => name === pod)?.trouble ?? "";
const eventsOf = async (reason: string, object: string): Promise<readonly string[]> =>
  (await cluster.events())
    .filter((event) => event.reason === reason && event.object === object)
    .map(({ message }) => message);
/** Events are written a moment after what they are about. */
const whenEvent = (reason: string, object: string, words: RegExp): Promise<unknown> =>
  until(`the event ${reason} of ${object} says it`, async () =>
    (await eventsOf(reason, object)).some((message) => words.test(message)),
  );
const whenReady = (replicas: number): Promise<unknown> =>
  until(
    `${replicas} replicas are ready`,
    async () => {
      const { conditions, cloud } = (await cluster.get<Deployment>("/deployments/echo")).status;
      return cloud.ready === replicas && conditions.some(({ type, status }) => type === "Ready" && status === "True");
    },
    180_000,
  );
const isServing = async (): Promise<boolean> =>
  (await cluster.infer("echo", { inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] })).status ===
  200;
const kubectl = (...args: readonly string[]): Promise<string> => kubernetes.kubectl(["-n", "skerry", ...args]);

async function skerry(...args: readonly string[]): Promise<string> {
  const run = new SkerryProcess("cli/main.ts", {
    args,
    env: { SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey, COLUMNS: "300" },
    log: path.join(cluster.directory, "cli.log"),
  });
  await run.exited;
  return run.output;
}

describe("a pod that is evicted", () => {
  it("is shown with the machine's words until it is deleted, is no node any more, and another one takes its place", async () => {
    const [evicted = ""] = await readyNodes();
    const uid = await kubectl("get", "pod", evicted, "-o", "jsonpath={.metadata.uid}");
    const stolen = await kubernetes.tokenOf(NODE_ACCOUNT, {
      audiences: ["skerry-join"],
      boundObjectRef: { apiVersion: "v1", kind: "Pod", name: evicted, uid },
    });
    await started.machineOf(evicted).evict(evicted);
    const words = /^Evicted: The node was low on resource: memory\./;
    await until("the pool shows it", async () => words.test(await troubleOf(evicted)), 60_000);
    expect((await pool()).pods.find(({ name }) => name === evicted)?.state).toBe("failed");
    await whenEvent("PodFailed", `node/${evicted}`, words);
    await whenReady(2);
    await until("it is no node", async () => !(await nodes()).some(({ name }) => name === evicted), 60_000);
    await whenEvent("NodeRemoved", `node/${evicted}`, /was removed: its pod is gone$/);
    // Kubernetes lists it still, and vouches for its token.
    expect(await started.podNames()).toContain(evicted);
    expect(await joinAsPod(cluster.url, { podToken: stolen, name: evicted })).toBe("JOIN_REFUSED");
    // What the pool shows is looked at a moment after its nodes.
    await until("the pool is well", async () => {
      const { ready, trouble } = await pool();
      return ready === 2 && trouble === null;
    });
    expect(await pool()).toMatchObject({ replicas: 2, ready: 2, pending: 0, trouble: null });
    await kubectl("delete", "pod", evicted);
    await until("it is not shown", async () => (await pool()).pods.every(({ name }) => name !== evicted), 60_000);
  }, 300_000);
});

describe("an image that cannot be pulled", () => {
  it("is shown in the pool, the deployment, the events and the CLI, while the pods before it serve; and passes", async () => {
    const before = await readyNodes();
    const image = await kubectl(
      "get",
      "deployment",
      "skerry-node",
      "-o",
      "jsonpath={.spec.template.spec.containers[0].image}",
    );
    await kubectl("set", "image", "deployment/skerry-node", "node=registry.example/skerry:9.9.9");
    const words = /(ErrImagePull|ImagePullBackOff): .*registry\.example\/skerry:9\.9\.9/;
    await until("the pool says it", async () => words.test((await pool()).trouble ?? ""), 60_000);
    await deploy(3);
    await until(
      "the deployment says it",
      async () => {
        const { conditions } = (await cluster.get<Deployment>("/deployments/echo")).status;
        return conditions.some(
          ({ type, status, message }) => type === "Stalled" && status === "True" && words.test(message),
        );
      },
      60_000,
    );
    const [pending = ""] = (await pool()).pods.flatMap(({ name, state }) => (state === "pending" ? [name] : []));
    await whenEvent("PodFailed", `node/${pending}`, words);
    await whenEvent("PoolStalled", "pool/default", words);
    expect(await skerry("nodes", "ls")).toMatch(
      new RegExp(`Pod ${pending} of pool default is pending: ${words.source}`),
    );
    // On a busy machine a node may be silent for the 6 s after which it is suspect here.
    await until("those before it are ready", async () => {
      const ready = await readyNodes();
      return before.every((name) => ready.includes(name));
    });
    expect(await isServing()).toBe(true);
    await kubectl("set", "image", "deployment/skerry-node", `node=${image}`);
    await whenReady(3);
    await until("the pool has no trouble", async () => (await pool()).trouble === null);
    await deploy(2);
    await until("two pods are left", async () => (await pool()).pods.length === 2, 120_000);
  }, 480_000);
});

describe("a container that needs more memory than its limit", () => {
  it("is shown as that, with how often it was started again, while the pods before it serve; and passes", async () => {
    await kubectl("set", "resources", "deployment/skerry-node", "--limits=memory=24Mi", "--requests=memory=24Mi");
    const words = /OOMKilled: its container needed more memory than its limit and was restarted \d+ times/;
    await until("the pool says it", async () => words.test((await pool()).trouble ?? ""), 60_000);
    const [killed = ""] = (await pool()).pods.flatMap(({ name, trouble }) => (words.test(trouble ?? "") ? [name] : []));
    await whenEvent("PodFailed", `node/${killed}`, words);
    const status = await kubectl(
      "get",
      "pod",
      killed,
      "-o",
      "jsonpath={.status.containerStatuses[0].lastState.terminated}",
    );
    expect(JSON.parse(status)).toMatchObject({ reason: "OOMKilled", exitCode: 137 });
    expect(await isServing()).toBe(true);
    await kubectl("set", "resources", "deployment/skerry-node", "--limits=memory=2Gi", "--requests=memory=1Gi");
    await until(
      "only pods that run are left",
      async () => {
        const { pods, trouble } = await pool();
        return trouble === null && pods.length === 2 && pods.every(({ state }) => state === "ready");
      },
      180_000,
    );
    await whenReady(2);
  }, 300_000);
});

describe("a machine that is gone", () => {
  it("takes its pod with it: its replica is made elsewhere, the cluster's words are shown, and its node goes", async () => {
    const victim = (await readyNodes()).find((name) => started.machineOf(name).name === "machine-1") ?? "";
    const machine = started.machineOf(victim);
    await machine.powerOff();
    // The pool brings another pod as soon as the node is lost, before the cluster gives the machine up.
    await until("another pod is asked for", async () => (await pool()).replicas === 3, 60_000);
    await whenReady(2);
    expect(await isServing()).toBe(true);
    const words = /NodeNotReady: its machine machine-1: Kubelet stopped posting node status|DeletionByTaintManager/;
    await until("the pool says why", async () => words.test(await troubleOf(victim)), 120_000);
    await whenEvent("PodFailed", `node/${victim}`, words);
    await until(
      "the cluster has told it to go",
      async () => (await pool()).pods.some(({ name, state }) => name === victim && state === "ending"),
      120_000,
    );
    machine.powerOn();
    await until("its pod is gone", async () => !(await started.podNames()).includes(victim), 60_000);
    await until("it is no node", async () => !(await nodes()).some(({ name }) => name === victim), 60_000);
    await until("the pool is as before", async () => (await pool()).replicas === 2, 120_000);
    await whenReady(2);
  }, 480_000);

  it("ends, when it is back, also a pod that came and was deleted in its absence", async () => {
    const machine = started.kubelets.find(({ name }) => name === "machine-1");
    await machine?.powerOff();
    const containers = [{ name: "unseen", image: "registry.example/unseen:1" }];
    const spec = { nodeName: "machine-1", containers };
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "unseen", namespace: "default" }, spec };
    await kubernetes.kubectl(["create", "-f", "-"], JSON.stringify(pod));
    await kubernetes.kubectl(["delete", "pod", "unseen", "--wait=false"]);
    expect(await kubernetes.kubectl(["get", "pod", "unseen", "-o", "name"])).toContain("pod/unseen");
    machine?.powerOn();
    await until("it is gone", async () => !(await kubernetes.kubectl(["get", "pods"])).includes("unseen"), 60_000);
    await whenReady(2);
  }, 300_000);
});
