import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Deployment } from "../../shared/api/v1/deployments.ts";
import type { Node } from "../../shared/api/v1/nodes.ts";
import { identityModel } from "../support/models/onnx-models.ts";
import { startTestDatabase, type TestDatabase } from "../support/postgres/postgres.ts";
import { SkerryCluster } from "../support/processes/skerry-cluster.ts";
import { until } from "../support/processes/skerry-process.ts";
import { Kubernetes } from "./support/kubernetes.ts";

const BASE = path.resolve(import.meta.dirname, "../../deploy/kustomize/base");
const PATH = "/apis/skerry.dev/v1alpha1/namespaces/skerry/modeldeployments";

let kubernetes: Kubernetes;
let database: TestDatabase;
let cluster: SkerryCluster;

beforeAll(async () => {
  kubernetes = await Kubernetes.start();
  await kubernetes.kubectl(["apply", "-k", BASE]);
  // The control plane runs beside the cluster with the rights of its service account, and no others; there are no pods.
  await kubernetes.kubectl(["-n", "skerry", "scale", "deployment", "--all", "--replicas=0"]);
  database = await startTestDatabase();
  const token = await kubernetes.tokenOf("skerry/skerry-control-plane");
  cluster = await SkerryCluster.start(database.url, {
    KUBECONFIG: await kubernetes.kubeconfig("control-plane", token),
    SKERRY_KUBERNETES_NAMESPACE: "skerry",
  });
  await Promise.all([cluster.addNode("edge-a"), cluster.addNode("cloud-a", { kind: "cloud" })]);
  await cluster.publish("digits", identityModel("FP32", ["n", 2]));
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  await database?.stop();
  await kubernetes?.stop();
}, 60_000);

interface Shown {
  readonly metadata: {
    readonly generation: number;
    readonly resourceVersion: string;
    readonly finalizers?: readonly string[];
  };
  readonly spec: object;
  readonly status?: {
    readonly observedGeneration: number;
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
    readonly edge?: { readonly ready: number };
    readonly cloud?: { readonly ready: number };
    readonly placements?: readonly { readonly node: string; readonly state: string }[];
  };
}

const manifest = (name: string, spec: object): string =>
  JSON.stringify({
    apiVersion: "skerry.dev/v1alpha1",
    kind: "ModelDeployment",
    metadata: { name, namespace: "skerry" },
    spec,
  });
const kubectl = (args: readonly string[], input = ""): Promise<string> =>
  kubernetes.kubectl(["-n", "skerry", ...args], input);
const apply = (name: string, spec: object): Promise<string> => kubectl(["apply", "-f", "-"], manifest(name, spec));
const show = async (name: string): Promise<Shown> => (await kubernetes.get(`${PATH}/${name}`)) as Shown;
const whenReady = (name: string): Promise<string> =>
  kubectl(["wait", "--for=condition=Ready", `mdep/${name}`, "--timeout=60s"]);
const deployed = async (name: string): Promise<Deployment | undefined> =>
  (await cluster.get<{ items: Deployment[] }>("/deployments")).items.find((each) => each.name === name);
const condition = (shown: Shown, type: string) => shown.status?.conditions.find((each) => each.type === type);
const whenCondition = (name: string, type: string, reason: string): Promise<Shown> =>
  until(
    `${type} of ${name} is ${reason}`,
    async () => {
      const shown = await show(name);
      return condition(shown, type)?.reason === reason ? shown : undefined;
    },
    30_000,
  );

describe("a ModelDeployment", () => {
  it("is placed, becomes Ready for kubectl wait, and says where it runs", async () => {
    await apply("digits", { model: "digits", version: 1, placement: { edge: { min: 1 } } });
    await whenReady("digits");
    const shown = await show("digits");
    expect(shown.status).toMatchObject({
      observedGeneration: shown.metadata.generation,
      activeVersion: 1,
      edge: { wanted: 1, placed: 1, ready: 1 },
      cloud: { wanted: 0 },
      placements: [{ node: "edge-a", kind: "edge", version: 1, state: "ready" }],
      url: `${cluster.url}/v2/models/digits/infer`,
    });
    expect(await deployed("digits")).toMatchObject({ managedBy: "kubernetes", spec: { model: "digits" } });
  }, 90_000);

  it("shows in its columns and events what an operator asks first", async () => {
    const table = (await kubectl(["get", "mdep", "digits"]))
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/));
    expect(table[0]).toEqual(["NAME", "READY", "REASON", "MODEL", "VERSION", "ACTIVE", "EDGE", "CLOUD", "AGE"]);
    expect(table[1]?.slice(0, 8)).toEqual(["digits", "True", "AllReplicasReady", "digits", "1", "1", "1", "0"]);
    const told = await until("its event is there", async () => {
      const text = await kubectl(["describe", "mdep", "digits"]);
      return text.includes("Events:") && /Normal\s+Ready/.test(text) ? text : undefined;
    });
    expect(told).toMatch(/Normal\s+Ready\s+\S+\s+skerry\s+1 of 1 replica ready/);
  }, 60_000);

  it("follows kubectl scale and kubectl patch", async () => {
    await kubectl(["scale", "mdep/digits", "--replicas=1"]);
    await until("a cloud replica is ready", async () => (await show("digits")).status?.cloud?.ready === 1, 60_000);
    await kubectl(["patch", "mdep/digits", "--type=merge", "-p", '{"spec":{"placement":{"edge":{"min":0}}}}']);
    await until(
      "it runs in the cloud alone",
      async () => {
        const { status } = await show("digits");
        return status?.placements?.map(({ node }) => node).join() === "cloud-a";
      },
      60_000,
    );
    expect(await whenReady("digits")).toContain("condition met");
  }, 150_000);

  it("is read-only for the API, which says who may change it", async () => {
    const known = await deployed("digits");
    const answers = await Promise.all([
      cluster.request("PUT", "/deployments/digits", { ...known?.spec, paused: true }, { accept: [409] }),
      cluster.request("DELETE", "/deployments/digits", undefined, { accept: [409] }),
    ]);
    for (const answer of answers)
      expect(answer).toMatchObject({
        code: "CONFLICT",
        detail:
          "the deployment digits is managed by Kubernetes: change its ModelDeployment in the namespace skerry with kubectl",
      });
  }, 30_000);

  it("says what is in the way, and goes on when it is gone", async () => {
    await apply("letters", { model: "letters", version: 1 });
    const refused = await whenCondition("letters", "Accepted", "ModelNotFound");
    expect(condition(refused, "Ready")).toMatchObject({ status: "False", reason: "ModelNotFound" });
    await cluster.publish("letters", identityModel("FP32", ["n", 3]));
    await whenReady("letters");
  }, 90_000);

  it("does not take over what the API declares in other words, and takes over what it declares in the same", async () => {
    await cluster.deploy({ name: "mine", model: "digits", version: 1, placement: { edge: { min: 1 } } });
    await apply("mine", { model: "digits", version: 1, placement: { cloud: { min: 1 } } });
    expect(condition(await whenCondition("mine", "Accepted", "DeclaredElsewhere"), "Accepted")?.message).toContain(
      "the deployment mine is declared through the API",
    );
    expect(await deployed("mine")).not.toHaveProperty("managedBy");
    await apply("mine", { model: "digits", version: 1, placement: { edge: { min: 1 } } });
    await whenReady("mine");
    expect(await deployed("mine")).toMatchObject({ managedBy: "kubernetes" });
  }, 90_000);

  it("keeps the conditions and the fields of another field manager", async () => {
    const now = new Date().toISOString();
    const own = {
      type: "example.dev/Audited",
      status: "True",
      reason: "Audited",
      message: "",
      lastTransitionTime: now,
    };
    const status = {
      apiVersion: "skerry.dev/v1alpha1",
      kind: "ModelDeployment",
      metadata: { name: "mine" },
      status: { conditions: [own] },
    };
    await kubectl(
      ["apply", "--server-side", "--subresource=status", "--field-manager=audit", "-f", "-"],
      JSON.stringify(status),
    );
    await kubectl(["patch", "mdep/mine", "--type=merge", "--field-manager=slo", "-p", '{"spec":{"slo":{"p95Ms":50}}}']);
    await until("the generation is observed", async () => {
      const { metadata, status: shown } = await show("mine");
      return shown?.observedGeneration === metadata.generation;
    });
    await whenReady("mine");
    expect(condition(await show("mine"), "example.dev/Audited")).toMatchObject({ status: "True" });
    expect((await deployed("mine"))?.spec.slo).toMatchObject({ p95Ms: 50 });
  }, 60_000);
});

describe("a Model", () => {
  const declare = (name: string, spec: object): Promise<string> =>
    kubectl(
      ["apply", "-f", "-"],
      JSON.stringify({
        apiVersion: "skerry.dev/v1alpha1",
        kind: "Model",
        metadata: { name, namespace: "skerry" },
        spec,
      }),
    );
  const reason = async (name: string): Promise<string | undefined> =>
    ((await kubernetes.get(`${PATH.replace("modeldeployments", "models")}/${name}`)) as Shown).status?.conditions.find(
      ({ type }) => type === "Ready",
    )?.reason;

  it("names versions by aliases as soon as they are pushed, and a deployment follows", async () => {
    await declare("words", { labels: { team: "text" }, aliases: [{ name: "champion", version: 1 }] });
    await until("the version is missing", async () => (await reason("words")) === "VersionNotFound");
    await apply("words", { model: "words", version: "champion", placement: { edge: { min: 1 } } });
    const { digest } = await cluster.publish("words", identityModel("FP32", ["n", 2]));
    await kubectl(["wait", "--for=condition=Ready", "mdl/words", "--timeout=60s"]);
    await whenReady("words");
    await declare("words", { aliases: [{ name: "champion", digest }] });
    await kubectl(["wait", "--for=condition=Ready", "mdl/words", "--timeout=60s"]);
    expect(await cluster.get("/models/words")).toMatchObject({
      managedBy: "kubernetes",
      labels: {},
      aliases: { champion: 1 },
    });
  }, 120_000);

  it("is read-only for the API, but for its versions", async () => {
    for (const [method, path, body] of [
      ["PATCH", "/models/words", { labels: {} }],
      ["PUT", "/models/words/aliases/champion", { version: 1 }],
      ["DELETE", "/models/words", undefined],
    ] as const)
      expect(await cluster.request(method, path, body, { accept: [409] })).toMatchObject({
        detail: "the model words is managed by Kubernetes: change its Model in the namespace skerry with kubectl",
      });
    expect((await cluster.publish("words", identityModel("FP32", ["n", 3]))).version).toBe(2);
  }, 60_000);

  it("stays in the registry when its object is deleted, unless that says otherwise", async () => {
    await kubectl(["delete", "mdl", "words", "--timeout=30s"]);
    expect(await cluster.get("/models/words")).not.toHaveProperty("managedBy");
    await declare("words", { deletionPolicy: "Delete" });
    await kubectl(["wait", "--for=condition=Ready", "mdl/words", "--timeout=60s"]);
    await kubectl(["delete", "mdl", "words", "--wait=false"]);
    await until("it is in use", async () => (await reason("words")) === "DeletionDelayed");
    await kubectl(["delete", "mdep", "words", "--timeout=30s"]);
    await kubectl(["wait", "--for=delete", "mdl/words", "--timeout=60s"]);
    expect(await cluster.request("GET", "/models/words", undefined, { accept: [404] })).toMatchObject({
      code: "NOT_FOUND",
    });
  }, 120_000);
});

describe("an EdgeNode", () => {
  const patch = (spec: object): Promise<string> =>
    kubectl(["patch", "enode/edge-a", "--type=merge", "-p", JSON.stringify({ spec })]);
  const node = (): Promise<Node> => cluster.get<Node>("/nodes/edge-a");

  it("shows a node that joined, and cloud nodes are not among them", async () => {
    await kubectl(["wait", "--for=condition=Ready", "enode/edge-a", "--timeout=60s"]);
    const rows = (await kubectl(["get", "enode", "--no-headers"])).trim().split("\n");
    expect(rows.map((row) => row.split(/\s+/).slice(0, 5))).toEqual([["edge-a", "ready", "false", "edge-a", "edge-a"]]);
  }, 90_000);

  it("cordons and labels its node, which the API then leaves alone", async () => {
    await patch({ cordoned: true, labels: { gpu: "none" } });
    await until("it is cordoned", async () => (await node()).cordoned);
    expect(await node()).toMatchObject({ labels: { gpu: "none" }, managedBy: "kubernetes" });
    expect(await cluster.request("POST", "/nodes/edge-a/uncordon", {}, { accept: [409] })).toMatchObject({
      detail: "the node edge-a is managed by Kubernetes: change its EdgeNode in the namespace skerry with kubectl",
    });
    await patch({ cordoned: null, labels: null });
    await until("it is the API's", async () => (await node()).managedBy === undefined);
    await cluster.request("POST", "/nodes/edge-a/uncordon", {});
    await until("that is shown", async () => (await kubectl(["get", "enode", "edge-a"])).includes("ready   false"));
  }, 60_000);

  it("comes back when it is deleted, and goes when its node is removed", async () => {
    await kubectl(["delete", "enode", "edge-a"]);
    await kubectl(["wait", "--for=create", "enode/edge-a", "--timeout=30s"]);
    await cluster.addNode("edge-b");
    await kubectl(["wait", "--for=create", "enode/edge-b", "--timeout=30s"]);
    await cluster.request("DELETE", "/nodes/edge-b");
    await kubectl(["wait", "--for=delete", "enode/edge-b", "--timeout=30s"]);
    expect((await node()).state).toBe("ready");
  }, 120_000);
});

describe("the controller", () => {
  const restart = async (): Promise<void> => {
    cluster.restartControlPlane();
    await cluster.whenControlPlaneReady();
  };
  it("carries out what changed while it was down, and writes nothing about the rest", async () => {
    await apply("still", { model: "digits", version: 1, placement: {} });
    await whenReady("still");
    const { metadata: before } = await show("still");
    await cluster.controlPlane.kill();
    await kubectl(["patch", "mdep/digits", "--type=merge", "-p", '{"spec":{"paused":true}}']);
    await restart();
    await until("it is paused", async () => (await deployed("digits"))?.spec.paused === true, 60_000);
    // One that comes after all others: when it is carried out, so are they.
    await apply("last", { model: "digits", version: 1, placement: {} });
    await whenReady("last");
    expect((await show("still")).metadata).toEqual(before);
  }, 120_000);

  it("goes on when the API server was killed, and says so once", async () => {
    await kubernetes.killApiServer();
    await until("it has noticed", () => cluster.controlPlane.output.includes("custom resources cannot be watched now"));
    kubernetes.startApiServer();
    await kubernetes.whenReady();
    await kubectl(["patch", "mdep/digits", "--type=merge", "-p", '{"spec":{"paused":false}}']);
    await until("it is not paused", async () => (await deployed("digits"))?.spec.paused === false, 60_000);
    await whenReady("digits");
    const lines = cluster.controlPlane.output
      .split("\n")
      .filter((line) => line.includes('"kind":"ModelDeployment"') && line.includes("cannot be watched now"));
    expect(lines).toHaveLength(1);
  }, 120_000);

  it("goes on when its rights were withdrawn and granted again", async () => {
    await kubectl(["delete", "rolebinding", "skerry-control-plane"]);
    await kubectl(["patch", "mdep/digits", "--type=merge", "-p", '{"spec":{"slo":{"p95Ms":70}}}']);
    await until(
      "it is carried out or refused",
      () => cluster.controlPlane.output.includes("cannot patch resource"),
      60_000,
    );
    await kubernetes.kubectl(["apply", "-k", BASE]);
    await kubectl(["scale", "deployment", "--all", "--replicas=0"]);
    const shown = await until(
      "its status is of the newest generation",
      async () => {
        const found = await show("digits");
        return found.status?.observedGeneration === found.metadata.generation ? found : undefined;
      },
      60_000,
    );
    expect(condition(shown, "Accepted")).toMatchObject({ status: "True" });
  }, 150_000);

  it("deletes what its object declared when that is deleted", async () => {
    await kubectl(["delete", "mdep", "digits", "--timeout=30s"]);
    expect(await deployed("digits")).toBeUndefined();
    await until(
      "nothing of it runs",
      async () => {
        const nodes = await cluster.get<{ items: { placements: { deployment: string }[] }[] }>("/nodes");
        return nodes.items.every(({ placements }) => placements.every(({ deployment }) => deployment !== "digits"));
      },
      60_000,
    );
  }, 120_000);

  it("lets what runs go on when its object went without being deleted, and the API may change it then", async () => {
    await cluster.controlPlane.stop();
    await kubectl(["patch", "mdep/mine", "--type=merge", "-p", '{"metadata":{"finalizers":null}}']);
    await kubectl(["delete", "mdep", "mine"]);
    await restart();
    const mine = await until("it is the API's", async () => {
      const found = await deployed("mine");
      return found?.managedBy === undefined ? found : undefined;
    });
    expect(mine.spec).toMatchObject({ model: "digits", version: 1 });
    await cluster.request("DELETE", "/deployments/mine");
  }, 90_000);
});
