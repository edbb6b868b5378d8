import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import { identityModel } from "../support/models/onnx/onnx-models.ts";
import { until } from "../support/processes/skerry-process.ts";
import { DeclaredSkerry } from "./support/declared-skerry.ts";

let skerry: DeclaredSkerry;

beforeAll(async () => {
  skerry = await DeclaredSkerry.start();
}, 180_000);

afterAll(async () => {
  await skerry?.stop();
}, 60_000);

describe("a Model", () => {
  const declare = (name: string, spec: object): Promise<string> => skerry.apply(name, spec, "Model");

  it("names versions by aliases as soon as they are pushed, and a deployment follows", async () => {
    await declare("words", { labels: { team: "text" }, aliases: [{ name: "champion", version: 1 }] });
    await skerry.whenCondition("words", "Ready", "VersionNotFound", "Model");
    await skerry.apply("words", { model: "words", version: "champion", placement: { edge: { min: 1 } } });
    const { digest } = await skerry.cluster.publish("words", identityModel("FP32", ["n", 2]));
    await skerry.whenReady("mdl/words");
    await skerry.whenReady("mdep/words");
    await declare("words", { aliases: [{ name: "champion", digest }] });
    await skerry.whenReady("mdl/words");
    expect(await skerry.cluster.get("/models/words")).toMatchObject({
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
      expect(await skerry.cluster.request(method, path, body, { accept: [409] })).toMatchObject({
        detail: "the model words is managed by Kubernetes: change its Model in the namespace skerry with kubectl",
      });
    expect((await skerry.cluster.publish("words", identityModel("FP32", ["n", 3]))).version).toBe(2);
  }, 60_000);

  it("stays in the registry when its object is deleted, unless that says otherwise", async () => {
    await skerry.kubectl(["delete", "mdl", "words", "--timeout=30s"]);
    expect(await skerry.cluster.get("/models/words")).not.toHaveProperty("managedBy");
    await declare("words", { deletionPolicy: "Delete" });
    await skerry.whenReady("mdl/words");
    await skerry.kubectl(["delete", "mdl", "words", "--wait=false"]);
    await skerry.whenCondition("words", "Ready", "DeletionDelayed", "Model");
    await skerry.kubectl(["delete", "mdep", "words", "--timeout=30s"]);
    await skerry.kubectl(["wait", "--for=delete", "mdl/words", "--timeout=60s"]);
    expect(await skerry.cluster.request("GET", "/models/words", undefined, { accept: [404] })).toMatchObject({
      code: "NOT_FOUND",
    });
  }, 120_000);
});

describe("an EdgeNode", () => {
  const patch = (spec: object): Promise<string> =>
    skerry.kubectl(["patch", "enode/edge-a", "--type=merge", "-p", JSON.stringify({ spec })]);
  const node = (): Promise<Node> => skerry.cluster.get<Node>("/nodes/edge-a");

  it("shows a node that joined, and cloud nodes are not among them", async () => {
    await skerry.kubectl(["wait", "--for=condition=Ready", "enode/edge-a", "--timeout=60s"]);
    const rows = (await skerry.kubectl(["get", "enode", "--no-headers"])).trim().split("\n");
    expect(rows.map((row) => row.split(/\s+/).slice(0, 5))).toEqual([["edge-a", "ready", "false", "edge-a", "edge-a"]]);
  }, 90_000);

  it("cordons and labels its node, which the API then leaves alone", async () => {
    await patch({ cordoned: true, labels: { gpu: "none" } });
    await until("it is cordoned", async () => (await node()).cordoned);
    expect(await node()).toMatchObject({ labels: { gpu: "none" }, managedBy: "kubernetes" });
    expect(await skerry.cluster.request("POST", "/nodes/edge-a/uncordon", {}, { accept: [409] })).toMatchObject({
      detail: "the node edge-a is managed by Kubernetes: change its EdgeNode in the namespace skerry with kubectl",
    });
    await patch({ cordoned: null, labels: null });
    await until("it is the API's", async () => (await node()).managedBy === undefined);
    await skerry.cluster.request("POST", "/nodes/edge-a/uncordon", {});
    await until("that is shown", async () =>
      (await skerry.kubectl(["get", "enode", "edge-a"])).includes("ready   false"),
    );
  }, 60_000);

  it("says where its node is, until it says nothing of it any more", async () => {
    await patch({ site: "island", zone: "pier-2" });
    await until("it is there", async () => (await node()).site === "island");
    expect(await node()).toMatchObject({ zone: "pier-2", managedBy: "kubernetes" });
    await until("that is shown", async () =>
      /ready +false +island +pier-2/.test(await skerry.kubectl(["get", "enode", "edge-a"])),
    );
    await expect(patch({ site: "Pier 9" })).rejects.toThrow("lower-case letters");
    expect(await skerry.cluster.request("PATCH", "/nodes/edge-a", { site: "edge-a" }, { accept: [409] })).toMatchObject(
      { code: "CONFLICT" },
    );
    await patch({ site: "edge-a", zone: "edge-a" });
    await until("it is back", async () => (await node()).site === "edge-a");
    await patch({ site: null, zone: null });
    await until("it is the API's", async () => (await node()).managedBy === undefined);
  }, 60_000);

  it("comes back when it is deleted, and goes when its node is removed", async () => {
    await skerry.kubectl(["delete", "enode", "edge-a"]);
    await skerry.kubectl(["wait", "--for=create", "enode/edge-a", "--timeout=30s"]);
    await skerry.cluster.addNode("edge-b");
    await skerry.kubectl(["wait", "--for=create", "enode/edge-b", "--timeout=30s"]);
    await skerry.cluster.request("DELETE", "/nodes/edge-b");
    await skerry.kubectl(["wait", "--for=delete", "enode/edge-b", "--timeout=30s"]);
    expect((await node()).state).toBe("ready");
  }, 120_000);
});
