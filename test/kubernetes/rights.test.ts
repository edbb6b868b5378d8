import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { CloudPoolInfo } from "../../shared/api/v1/nodes/cloud-pools.ts";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import type { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";
import { requestsOf, rightOf } from "./support/audit.ts";
import { type ClusterWithPods, startClusterWithPods } from "./support/cluster-with-pods.ts";
import type { Kubernetes } from "./support/kubernetes.ts";

const ACCOUNT = "system:serviceaccount:skerry:skerry-control-plane";
/** Granted for what no test can bring about at will. */
const FOR_RACES = [
  // Read when somebody else has made the object a moment ago.
  "edgenodes.skerry.dev get",
];

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

let started: ClusterWithPods;
let kubernetes: Kubernetes;
let cluster: SkerryCluster;

beforeAll(async () => {
  started = await startClusterWithPods({
    SKERRY_CLOUD_POOLS: "default=skerry/skerry-node:0-2",
    SKERRY_SCALE_DOWN_SECONDS: "3",
    SKERRY_KUBERNETES_NAMESPACE: "skerry",
  });
  ({ kubernetes, cluster } = started);
}, 180_000);

afterAll(() => started?.stop(), 60_000);

const kubectl = (args: readonly string[], input = ""): Promise<string> =>
  kubernetes.kubectl(["-n", "skerry", ...args], input);
const apply = (kind: string, name: string, spec: object): Promise<string> =>
  kubectl(
    ["apply", "-f", "-"],
    JSON.stringify({ apiVersion: "skerry.dev/v1alpha1", kind, metadata: { name, namespace: "skerry" }, spec }),
  );
const podsOfPool = async (): Promise<number> =>
  (await cluster.get<{ items: CloudPoolInfo[] }>("/cloud-pools")).items.find(({ name }) => name === "default")?.pods
    .length ?? -1;

/** `deployments.apps/scale patch`, of every rule of a Role or ClusterRole. */
async function granted(role: string): Promise<readonly string[]> {
  const { rules } = JSON.parse(await kubectl(["get", role, "skerry-control-plane", "-o", "json"])) as { rules: Rule[] };
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((apiGroup) =>
      resources.flatMap((each) => {
        const [resource = "", subresource] = each.split("/");
        return verbs.map((verb) => rightOf({ resource, apiGroup, ...(subresource && { subresource }) }, verb));
      }),
    ),
  );
}

describe("the rights that deploy/ grants to the control plane", () => {
  it("are exactly what it asks for while pods, devices, models and deployments come and go", async () => {
    const device = await cluster.addNode("edge-a");
    await cluster.publish("echo", identityModel("FP32", ["n", 2]));
    // Of a Deployment that there is not.
    await apply("CloudPool", "spot", { deployment: "skerry-node-spot", min: 0, max: 1 });
    await kubectl(["wait", "--for=jsonpath={.status.observedGeneration}=1", "cpool/spot", "--timeout=60s"]);
    await apply("Model", "echo", { aliases: [{ name: "champion", version: 1 }] });
    await apply("ModelDeployment", "echo", {
      model: "echo",
      version: "champion",
      placement: { edge: { min: 1 }, cloud: { min: 1 } },
    });
    await kubectl(["wait", "--for=condition=Ready", "mdep/echo", "--timeout=120s"]);
    // Ready, not ready, ready: the second event of a kind is counted on the first.
    await device.process.kill();
    await kubectl(["wait", "--for=condition=Ready=False", "mdep/echo", "--timeout=60s"]);
    device.restart();
    await kubectl(["wait", "--for=condition=Ready", "mdep/echo", "--timeout=60s"]);
    await kubectl(["delete", "mdep", "echo", "--timeout=60s"]);
    await kubectl(["delete", "mdl", "echo", "--timeout=60s"]);
    await kubectl(["delete", "cpool", "spot", "--timeout=60s"]);
    await until("the pool has no pod", async () => (await podsOfPool()) === 0, 120_000);
    await cluster.request("DELETE", "/nodes/edge-a");
    await kubectl(["wait", "--for=delete", "enode/edge-a", "--timeout=60s"]);

    const asked = await requestsOf(kubernetes.directory, ACCOUNT);
    expect([...asked].filter(([, { isRefused }]) => isRefused)).toEqual([]);
    const rights = [...(await granted("role")), ...(await granted("clusterrole"))];
    expect(rights.filter((right) => !FOR_RACES.includes(right)).toSorted()).toEqual([...asked.keys()].toSorted());
  }, 400_000);
});
