import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { CloudPoolInfo } from "../../shared/api/v1/nodes/cloud-pools.ts";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import { messageOf } from "../../shared/base/errors.ts";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import type { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { SkerryProcess } from "../support/processes/skerry-process.ts";
import { type ClusterWithPods, startClusterWithPods } from "./support/cluster-with-pods.ts";
import type { Kubernetes } from "./support/kubernetes.ts";

let started: ClusterWithPods;
let kubernetes: Kubernetes;
let cluster: SkerryCluster;
let until: ClusterWithPods["until"];

beforeAll(async () => {
  // No SKERRY_CLOUD_POOLS: what is scaled is declared while it runs.
  started = await startClusterWithPods({ SKERRY_KUBERNETES_NAMESPACE: "skerry", SKERRY_SCALE_DOWN_SECONDS: "5" });
  ({ kubernetes, cluster, until } = started);
  await kubectl(["scale", "deployment/skerry-node", "--replicas=0"]);
  await cluster.publish("echo", identityModel("FP32", ["n", 2]));
}, 180_000);

afterAll(() => started?.stop(), 120_000);

const kubectl = (args: readonly string[], input = ""): Promise<string> =>
  kubernetes.kubectl(["-n", "skerry", ...args], input);
const apply = (name: string, spec: object): Promise<string> =>
  kubectl(
    ["apply", "-f", "-"],
    JSON.stringify({ apiVersion: "skerry.dev/v1alpha1", kind: "CloudPool", metadata: { name }, spec }),
  );
const pools = async (): Promise<readonly CloudPoolInfo[]> =>
  (await cluster.get<{ items: CloudPoolInfo[] }>("/cloud-pools")).items;
const pool = async (name: string): Promise<CloudPoolInfo | undefined> =>
  (await pools()).find((each) => each.name === name);
const readyNodes = async (): Promise<readonly Node[]> =>
  (await cluster.get<{ items: Node[] }>("/nodes")).items.filter(({ state }) => state === "ready");
const status = async (name: string): Promise<Record<string, unknown>> =>
  (((await kubernetes.get(`/apis/skerry.dev/v1alpha1/namespaces/skerry/cloudpools/${name}`)) as { status?: object })
    .status ?? {}) as Record<string, unknown>;

async function skerry(...args: readonly string[]): Promise<{ code: number | NodeJS.Signals; output: string }> {
  const run = new SkerryProcess("cli/main.ts", {
    args,
    env: { SKERRY_SERVER: cluster.url, SKERRY_API_KEY: cluster.adminKey, COLUMNS: "300" },
    log: path.join(cluster.directory, "cli.log"),
  });
  return { code: await run.exited, output: run.output };
}

describe("a CloudPool", () => {
  it("makes Skerry scale the Deployment that it names, and shows in kubectl what became of it", async () => {
    await apply("default", { deployment: "skerry-node", min: 1, max: 2, site: "harbour" });
    await until("a node is ready", async () => (await readyNodes()).length === 1, 90_000);
    expect((await readyNodes())[0]).toMatchObject({ site: "harbour", labels: { pool: "default" } });
    await kubectl(["wait", "--for=condition=Ready", "cloudpool/default", "--timeout=60s"]);
    expect(await status("default")).toMatchObject({
      observedGeneration: 1,
      wanted: 1,
      replicas: 1,
      ready: 1,
      pending: 0,
    });
    const [header = "", row = ""] = (await kubectl(["get", "cpool"])).split("\n");
    expect(header.split(/\s+/).slice(0, 7)).toEqual(["NAME", "READY", "DEPLOYMENT", "MIN", "MAX", "WANTED", "NODES"]);
    expect(row.split(/\s+/).slice(0, 7)).toEqual(["default", "True", "skerry-node", "1", "2", "1", "1"]);
    expect(await pool("default")).toMatchObject({ managedBy: "kubernetes", namespace: "skerry", min: 1, max: 2 });
  }, 180_000);

  it("follows `kubectl scale`, which sets its least number of pods, and demand", async () => {
    await kubectl(["scale", "cloudpool/default", "--replicas=2"]);
    await until("two nodes are ready", async () => (await readyNodes()).length === 2, 90_000);
    expect(await kubectl(["scale", "cloudpool/default", "--replicas=3"]).catch(messageOf)).toContain(
      "must not be below `min`",
    );
    await kubectl(["scale", "cloudpool/default", "--replicas=0"]);
    await until("no pod is left", async () => (await pool("default"))?.pods.length === 0, 120_000);
    await cluster.deploy({
      name: "echo",
      model: "echo",
      version: 1,
      placement: { edge: { min: 0 }, cloud: { min: 1 } },
    });
    await cluster.whenDeploymentReady("echo", 120_000);
    await until("the object says it", async () => (await status("default"))["ready"] === 1, 30_000);
  }, 360_000);

  it("is read-only in the API and the CLI, which name it", async () => {
    const spec = { name: "default", namespace: "skerry", deployment: "skerry-node", max: 5 };
    const refused = await cluster.request("PUT", "/cloud-pools/default", spec, { accept: [409] });
    expect(refused).toMatchObject({ detail: expect.stringContaining("change its CloudPool in the namespace skerry") });
    const { code, output } = await skerry("pools", "rm", "default");
    expect([code, output]).toEqual([6, expect.stringContaining("managed by Kubernetes")]);
  }, 60_000);

  it("says why its Deployment cannot be scaled, and goes on when it can", async () => {
    await apply("gpu", { deployment: "skerry-node-spot", max: 2 });
    await until(
      "the object says it",
      async () => String((await status("gpu"))["trouble"]).includes('"skerry-node-spot" not found'),
      30_000,
    );
    await until(
      "kubectl shows the event",
      async () => /Warning\s+PoolStalled .*not found/.test(await kubectl(["describe", "cloudpool/gpu"])),
      30_000,
    );
    const node = JSON.parse(await kubectl(["get", "deployment", "skerry-node", "-o", "json"]));
    const labels = { "app.kubernetes.io/name": "skerry-node", "skerry.dev/pool": "gpu" };
    node.metadata = { name: "skerry-node-spot" };
    node.spec.selector.matchLabels = labels;
    node.spec.template.metadata.labels = labels;
    node.spec.replicas = 0;
    await kubectl(["create", "-f", "-"], JSON.stringify(node));
    await until("nothing is in the way", async () => (await status("gpu"))["trouble"] === undefined, 30_000);
    expect(await kubectl(["wait", "--for=condition=Ready", "cloudpool/gpu", "--timeout=30s"])).toContain(
      "condition met",
    );
  }, 120_000);

  it("whose Deployment another pool scales is refused with the reason", async () => {
    await apply("second", { deployment: "skerry-node", max: 2 });
    await kubectl(["wait", "--for=condition=Accepted=False", "cloudpool/second", "--timeout=30s"]);
    expect(JSON.stringify(await status("second"))).toContain("the pool default scales skerry/skerry-node already");
    expect(await pool("second")).toBeUndefined();
    await kubectl(["delete", "cloudpool", "second"]);
  }, 60_000);

  it("keeps its Deployment", async () => {
    const other = apply("default", { deployment: "other", max: 2 }).catch(messageOf);
    expect(await other).toContain("a pool keeps its Deployment");
  }, 30_000);

  it("that is deleted, also while nobody looks, leaves its pods as they are, and the API may declare the pool again", async () => {
    const before = await started.podNames();
    await kubernetes.killApiServer();
    kubernetes.startApiServer();
    await kubernetes.whenReady();
    await kubectl(["delete", "cloudpool", "default", "gpu"]);
    await until("no pool is declared", async () => (await pools()).length === 0, 60_000);
    expect(await started.podNames()).toEqual(before);
    const set = await skerry("pools", "set", "default", "--deployment", "skerry/skerry-node", "--max", "2");
    expect([set.code, set.output]).toEqual([0, expect.stringContaining("0 to 2 pods of skerry/skerry-node")]);
    expect((await skerry("pools", "set", "default", "--min", "2")).code).toBe(0);
    await until("two nodes are ready", async () => (await pool("default"))?.ready === 2, 90_000);
    expect((await skerry("pools", "get", "default")).output).toMatch(/2 ready of 2 wanted/);
    expect((await skerry("pools", "ls", "-o", "wide")).output).toMatch(
      /default\s+2\s+2\s+2\s+2\s+0\s+skerry\/skerry-node/,
    );
    expect((await skerry("pools", "rm", "default")).code).toBe(0);
    expect(await pools()).toEqual([]);
  }, 240_000);
});
