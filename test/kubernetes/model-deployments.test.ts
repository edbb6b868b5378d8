import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import { until } from "../support/processes/skerry-process.ts";
import { conditionOf, DeclaredSkerry } from "./support/declared-skerry.ts";

const OURS = '"kind":"ModelDeployment"';
const BROKEN = "could not be carried out";

let skerry: DeclaredSkerry;

beforeAll(async () => {
  skerry = await DeclaredSkerry.start();
}, 180_000);

afterAll(async () => {
  await skerry?.stop();
}, 60_000);

describe("a ModelDeployment", () => {
  it("is placed, becomes Ready for kubectl wait, and says where it runs", async () => {
    await skerry.apply("digits", { model: "digits", version: 1, placement: { edge: { min: 1 } } });
    await skerry.whenReady("mdep/digits");
    const shown = await skerry.show("digits");
    expect(shown.status).toMatchObject({
      observedGeneration: shown.metadata.generation,
      activeVersion: 1,
      edge: { wanted: 1, placed: 1, ready: 1 },
      cloud: { wanted: 0 },
      placements: [{ node: "edge-a", kind: "edge", version: 1, state: "ready" }],
      url: `${skerry.cluster.url}/v2/models/digits/infer`,
    });
    expect(await skerry.deployed("digits")).toMatchObject({ managedBy: "kubernetes", spec: { model: "digits" } });
  }, 90_000);

  it("shows in its columns and events what an operator asks first", async () => {
    const table = (await skerry.kubectl(["get", "mdep", "digits"]))
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/));
    expect(table[0]).toEqual(["NAME", "READY", "REASON", "MODEL", "VERSION", "ACTIVE", "EDGE", "CLOUD", "AGE"]);
    expect(table[1]?.slice(0, 8)).toEqual(["digits", "True", "AllReplicasReady", "digits", "1", "1", "1", "0"]);
    const told = await until("its event is there", async () => {
      const text = await skerry.kubectl(["describe", "mdep", "digits"]);
      return text.includes("Events:") && /Normal\s+Ready/.test(text) ? text : undefined;
    });
    expect(told).toMatch(/Normal\s+Ready\s+\S+\s+skerry\s+1 of 1 replica ready/);
  }, 60_000);

  it("follows kubectl scale and kubectl edit", async () => {
    await skerry.kubectl(["scale", "mdep/digits", "--replicas=1"]);
    await until(
      "a cloud replica is ready",
      async () => (await skerry.show("digits")).status?.cloud?.ready === 1,
      60_000,
    );
    // What an operator changes in the editor, sed does: the first `min` below `edge`.
    const editor = "sed -i '/^    edge:/,/min:/s/min: 1/min: 0/'";
    expect(await skerry.kubectl(["edit", "mdep/digits"], "", { KUBE_EDITOR: editor })).toContain("edited");
    await until(
      "it runs in the cloud alone",
      async () => {
        const { status } = await skerry.show("digits");
        return status?.placements?.map(({ node }) => node).join() === "cloud-a";
      },
      60_000,
    );
    expect(await skerry.whenReady("mdep/digits")).toContain("condition met");
  }, 150_000);

  it("is read-only for the API, which says who may change it", async () => {
    const known = await skerry.deployed("digits");
    const answers = await Promise.all([
      skerry.cluster.request("PUT", "/deployments/digits", { ...known?.spec, paused: true }, { accept: [409] }),
      skerry.cluster.request("DELETE", "/deployments/digits", undefined, { accept: [409] }),
    ]);
    for (const answer of answers)
      expect(answer).toMatchObject({
        code: "CONFLICT",
        detail:
          "the deployment digits is managed by Kubernetes: change its ModelDeployment in the namespace skerry with kubectl",
      });
  }, 30_000);

  it("says what is in the way, and goes on when it is gone", async () => {
    await skerry.apply("letters", { model: "letters", version: 1 });
    const refused = await skerry.whenCondition("letters", "Accepted", "ModelNotFound");
    expect(conditionOf(refused, "Ready")).toMatchObject({ status: "False", reason: "ModelNotFound" });
    await skerry.cluster.publish("letters", identityModel("FP32", ["n", 3]));
    await skerry.whenReady("mdep/letters");
  }, 90_000);

  it("does not take over what the API declares in other words, and takes over what it declares in the same", async () => {
    await skerry.cluster.deploy({ name: "mine", model: "digits", version: 1, placement: { edge: { min: 1 } } });
    await skerry.apply("mine", { model: "digits", version: 1, placement: { cloud: { min: 1 } } });
    expect(
      conditionOf(await skerry.whenCondition("mine", "Accepted", "DeclaredElsewhere"), "Accepted")?.message,
    ).toContain("the deployment mine is declared through the API");
    expect(await skerry.deployed("mine")).not.toHaveProperty("managedBy");
    await skerry.apply("mine", { model: "digits", version: 1, placement: { edge: { min: 1 } } });
    await skerry.whenReady("mdep/mine");
    expect(await skerry.deployed("mine")).toMatchObject({ managedBy: "kubernetes" });
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
    await skerry.kubectl(
      ["apply", "--server-side", "--subresource=status", "--field-manager=audit", "-f", "-"],
      JSON.stringify(status),
    );
    await skerry.kubectl([
      "patch",
      "mdep/mine",
      "--type=merge",
      "--field-manager=slo",
      "-p",
      '{"spec":{"slo":{"p95Ms":50}}}',
    ]);
    await until("the generation is observed", async () => {
      const { metadata, status: shown } = await skerry.show("mine");
      return shown?.observedGeneration === metadata.generation;
    });
    await skerry.whenReady("mdep/mine");
    expect(conditionOf(await skerry.show("mine"), "example.dev/Audited")).toMatchObject({ status: "True" });
    expect((await skerry.deployed("mine"))?.spec.slo).toMatchObject({ p95Ms: 50 });
  }, 60_000);
});

describe("the controller", () => {
  it("carries out what changed while it was down, and writes nothing about the rest", async () => {
    await skerry.apply("still", { model: "digits", version: 1, placement: {} });
    await skerry.whenReady("mdep/still");
    const { metadata: before } = await skerry.show("still");
    await skerry.cluster.controlPlane.kill();
    await skerry.kubectl(["patch", "mdep/digits", "--type=merge", "-p", '{"spec":{"paused":true}}']);
    await skerry.restart();
    await until("it is paused", async () => (await skerry.deployed("digits"))?.spec.paused === true, 60_000);
    // One that comes after all others: when it is carried out, so are they.
    await skerry.apply("last", { model: "digits", version: 1, placement: {} });
    await skerry.whenReady("mdep/last");
    expect((await skerry.show("still")).metadata).toEqual(before);
  }, 120_000);

  it("goes on when the API server was killed, and says so once", async () => {
    await skerry.kubernetes.killApiServer();
    await until("it has noticed", () =>
      skerry.cluster.controlPlane.output.includes("custom resources cannot be watched now"),
    );
    skerry.kubernetes.startApiServer();
    await skerry.kubernetes.whenReady();
    await until("it serves custom resources", () => skerry.show("digits").catch(() => undefined));
    await skerry.kubectl(["patch", "mdep/digits", "--type=merge", "-p", '{"spec":{"paused":false}}']);
    await until("it is not paused", async () => (await skerry.deployed("digits"))?.spec.paused === false, 60_000);
    await skerry.whenReady("mdep/digits");
    const lines = skerry.cluster.controlPlane.output
      .split("\n")
      .filter((line) => line.includes('"kind":"ModelDeployment"') && line.includes("cannot be watched now"));
    expect(lines).toHaveLength(1);
  }, 120_000);

  it("goes on when its rights were withdrawn and granted again", async () => {
    const told = skerry.logged(OURS, BROKEN).length;
    await skerry.kubectl(["delete", "rolebinding", "skerry-control-plane"]);
    await skerry.kubectl(["patch", "mdep/digits", "--type=merge", "-p", '{"spec":{"slo":{"p95Ms":70}}}']);
    await until(
      "it is carried out or refused",
      () => skerry.cluster.controlPlane.output.includes("cannot patch resource"),
      60_000,
    );
    await skerry.kubernetes.kubectl(["apply", "-k", DeclaredSkerry.BASE]);
    await skerry.kubectl(["scale", "deployment", "--all", "--replicas=0"]);
    const shown = await until(
      "its status is of the newest generation",
      async () => {
        const found = await skerry.show("digits");
        return found.status?.observedGeneration === found.metadata.generation ? found : undefined;
      },
      60_000,
    );
    expect(conditionOf(shown, "Accepted")).toMatchObject({ status: "True" });
    await until("its end is told", () => skerry.logged(OURS, "are carried out again").length > 0);
    expect(skerry.logged(OURS, BROKEN)).toHaveLength(told + 1);
  }, 150_000);

  it("deletes what its object declared when that is deleted", async () => {
    await skerry.kubectl(["delete", "mdep", "digits", "--timeout=30s"]);
    expect(await skerry.deployed("digits")).toBeUndefined();
    await until(
      "nothing of it runs",
      async () => {
        const nodes = await skerry.cluster.get<{ items: { placements: { deployment: string }[] }[] }>("/nodes");
        return nodes.items.every(({ placements }) => placements.every(({ deployment }) => deployment !== "digits"));
      },
      60_000,
    );
  }, 120_000);

  it("lets what runs go on when its object went without being deleted, and the API may change it then", async () => {
    await skerry.cluster.controlPlane.stop();
    await skerry.kubectl(["patch", "mdep/mine", "--type=merge", "-p", '{"metadata":{"finalizers":null}}']);
    await skerry.kubectl(["delete", "mdep", "mine"]);
    await skerry.restart();
    const mine = await until("it is the API's", async () => {
      const found = await skerry.deployed("mine");
      return found?.managedBy === undefined ? found : undefined;
    });
    expect(mine.spec).toMatchObject({ model: "digits", version: 1 });
    await skerry.cluster.request("DELETE", "/deployments/mine");
  }, 90_000);
});
