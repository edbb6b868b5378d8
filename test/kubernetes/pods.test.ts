import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { KubernetesPods } from "../../control-plane/adapters/kubernetes/pod-cluster.ts";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import type { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { BASE, type ClusterWithPods, NODE_ACCOUNT, startClusterWithPods } from "./support/cluster-with-pods.ts";
import { joinAsPod } from "./support/join-as-pod.ts";
import { apiOf, type Kubernetes } from "./support/kubernetes.ts";

let started: ClusterWithPods;
let kubernetes: Kubernetes;
let cluster: SkerryCluster;
let until: ClusterWithPods["until"];
let podNames: ClusterWithPods["podNames"];

beforeAll(async () => {
  started = await startClusterWithPods({
    SKERRY_CLOUD_POOLS: "default=skerry/skerry-node:2-2",
  });
  ({ kubernetes, cluster, until, podNames } = started);
}, 180_000);

afterAll(() => started?.stop(), 60_000);

const nodes = async (): Promise<readonly Node[]> => (await cluster.get<{ items: Node[] }>("/nodes")).items;
const ready = async (): Promise<readonly Node[]> => (await nodes()).filter(({ state }) => state === "ready");

const join = (podToken: string, name: string): Promise<number | string> => joinAsPod(cluster.url, { podToken, name });

describe("pods of a cluster", () => {
  it("join as cloud nodes of their machine's zone, without a join token", async () => {
    await until("two nodes are ready", async () => (await ready()).length === 2, 90_000);
    const names = await podNames();
    const found = await ready();
    expect(found.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    expect(found.map(({ zone }) => zone).toSorted()).toEqual(["north", "south"]);
    expect(
      found.every(({ kind, site, labels }) => kind === "cloud" && site === "cloud" && labels["pool"] === "default"),
    ).toBe(true);
  }, 120_000);

  it("are ready for Kubernetes too, and serve what is deployed on cloud nodes", async () => {
    await kubernetes.kubectl(["-n", "skerry", "rollout", "status", "deployment/skerry-node", "--timeout=60s"]);
    await cluster.publish("echo", identityModel("FP32", ["n", 2]));
    await cluster.deploy({ name: "echo", model: "echo", version: 1, placement: { cloud: { min: 2 } } });
    await cluster.whenDeploymentReady("echo", 60_000);
    expect(new Set((await cluster.placements("echo")).map(({ node }) => node))).toEqual(new Set(await podNames()));
  }, 150_000);

  it("are the same node when their container starts again", async () => {
    const [name = ""] = await podNames();
    const { id: before, epoch = 0 } = (await nodes()).find((node) => node.name === name) ?? {};
    started.machineOf(name).process(name).kill("SIGKILL");
    // By its next session: for how long it is away depends on how busy the machine is.
    const isBack = (node: Node): boolean => node.name === name && node.epoch > epoch;
    await until("it is ready again", async () => (await ready()).some(isBack), 60_000);
    expect((await nodes()).find((node) => node.name === name)?.id).toBe(before);
    expect((await nodes()).filter(({ state }) => state !== "revoked")).toHaveLength(2);
  }, 120_000);

  it("are no nodes any more when they are gone, and their successors take over", async () => {
    const before = await podNames();
    const [gone = ""] = before;
    await kubernetes.kubectl(["-n", "skerry", "delete", "pod", gone]);
    await until(
      "another pod is a ready node",
      async () => {
        const names = (await ready()).map(({ name }) => name);
        return names.length === 2 && !names.includes(gone);
      },
      90_000,
    );
    await until("the old one is not listed", async () => !(await nodes()).some(({ name }) => name === gone), 60_000);
    const event = await until("its event is there", async () =>
      (await cluster.events()).find(({ reason, object }) => reason === "NodeRemoved" && object === `node/${gone}`),
    );
    expect(event).toMatchObject({
      type: "Normal",
      message: `${gone} was removed: its pod is gone`,
    });
    await cluster.whenDeploymentReady("echo", 60_000);
  }, 240_000);
});

describe("tokens that make no node", () => {
  const bound = async (name: string): Promise<object> => {
    const pod = (await kubernetes.get(`/api/v1/namespaces/skerry/pods/${name}`)) as { metadata: { uid: string } };
    return { boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid: pod.metadata.uid } };
  };

  it("are refused: of another audience, bound to no pod, of another account, changed, of a pod that is a node", async () => {
    const [pod = ""] = await podNames();
    const forNodes = { audiences: ["skerry-join"] };
    const tokens = {
      "another audience": await kubernetes.tokenOf(NODE_ACCOUNT, await bound(pod)),
      "no pod": await kubernetes.tokenOf(NODE_ACCOUNT, forNodes),
      "another account": await kubernetes.tokenOf("skerry/default", forNodes),
      "the pod's own, with a key of somebody else": await kubernetes.tokenOf(NODE_ACCOUNT, {
        ...forNodes,
        ...(await bound(pod)),
      }),
      "no token at all": "x",
    };
    const answers: Record<string, number | string> = {};
    for (const [which, token] of Object.entries(tokens)) answers[which] = await join(token, pod);
    expect(answers).toEqual(Object.fromEntries(Object.keys(tokens).map((which) => [which, "JOIN_REFUSED"])));
  }, 60_000);

  it("are worthless once their pod is gone", async () => {
    const [pod = ""] = await podNames();
    const stolen = await kubernetes.tokenOf(NODE_ACCOUNT, { audiences: ["skerry-join"], ...(await bound(pod)) });
    await kubernetes.kubectl(["-n", "skerry", "delete", "pod", pod]);
    await until("its pod is gone", async () => !(await podNames()).includes(pod), 60_000);
    expect(await join(stolen, pod)).toBe("JOIN_REFUSED");
  }, 120_000);
});

describe("an API server that is away", () => {
  it("keeps nobody from serving: pods are asked to try again, and no node is removed", async () => {
    await until("two nodes are ready", async () => (await ready()).length === 2, 90_000);
    const before = (await ready()).map(({ name }) => name).toSorted();
    await kubernetes.killApiServer();
    expect(await join("x", "some-pod")).toBe("CLUSTER_UNAVAILABLE");
    expect((await ready()).map(({ name }) => name).toSorted()).toEqual(before);
    kubernetes.startApiServer();
    await kubernetes.whenReady();
    await until("tokens are judged again", async () => (await join("x", "some-pod")) === "JOIN_REFUSED", 30_000);
  }, 180_000);
});

describe("the rights of the control plane", () => {
  it("are enough for what it asks, and taken away they are named", async () => {
    const token = await kubernetes.tokenOf("skerry/skerry-control-plane");
    const pods = new KubernetesPods(apiOf(kubernetes.url, token), { accounts: [NODE_ACCOUNT], now: Date.now });
    expect((await pods.podUids()).size).toBeGreaterThan(0);
    await kubernetes.kubectl(["-n", "skerry", "delete", "rolebinding", "skerry-control-plane"]);
    await until("it may not list pods", () =>
      pods.podUids().then(
        () => false,
        () => true,
      ),
    );
    await expect(pods.podUids()).rejects.toMatchObject({
      code: "CLUSTER_UNAVAILABLE",
      message: expect.stringContaining('cannot list resource "pods"'),
    });
    await kubernetes.kubectl(["apply", "-k", BASE]);
    await until("it may list pods again", () =>
      pods.podUids().then(
        () => true,
        () => false,
      ),
    );
  }, 60_000);

  it("are no more than it uses", async () => {
    const rules = await kubernetes.kubectl([
      "auth",
      "can-i",
      "--list",
      "--as=system:serviceaccount:skerry:skerry-control-plane",
      "-n",
      "skerry",
    ]);
    const own = rules
      .split("\n")
      .filter((line) =>
        /^(nodes|pods|events|deployments\S*|tokenreviews\S*|\S*secrets|\S+\.skerry\.dev\S*|\*)\s/.test(line),
      );
    const named = new Set(own.map((line) => line.replace(/\s+\[\]\s+\[[^\]]*\]\s+/, " ").trim()));
    expect([...named].toSorted()).toEqual([
      "cloudpools.skerry.dev [list watch]",
      "cloudpools.skerry.dev/status [patch]",
      "deployments.apps [get]",
      "deployments.apps/scale [get patch]",
      "edgenodes.skerry.dev [list watch get create delete]",
      "edgenodes.skerry.dev/status [patch]",
      "events [create patch]",
      "modeldeployments.skerry.dev [list watch patch]",
      "modeldeployments.skerry.dev/status [patch]",
      "models.skerry.dev [list watch patch]",
      "models.skerry.dev/status [patch]",
      "nodes [get]",
      "pods [get list patch]",
      "tokenreviews.authentication.k8s.io [create]",
    ]);
  });
});
