import { describe, expect, it } from "@jest/globals";
import type { Actor } from "../../../control-plane/ports/access/audit.ts";
import { alice, attemptWith, event, makeToken, readyVersion, specOf } from "./fixture.ts";
import { stores } from "./own-stores.ts";

/** Who carries out the custom resources of a namespace. */
const of = (namespace: string): Actor => ({ ...alice, name: "kubernetes", kubernetesNamespace: namespace });
const skerry = of("skerry");
const any = { ifMatch: undefined };
const managed = (what: string, kind: string): object => ({
  code: "CONFLICT",
  message: `${what} is managed by Kubernetes: change its ${kind} in the namespace skerry with kubectl`,
});

describe("a deployment that a custom resource declares", () => {
  it("is changed and deleted by its own namespace alone", async () => {
    const version = await readyVersion(stores, "digits");
    const spec = specOf("digits", { model: "digits", version });
    await stores.deployments.put(spec, { actor: skerry, ...any });
    for (const actor of [alice, of("elsewhere")]) {
      const expected = managed("the deployment digits", "ModelDeployment");
      await expect(stores.deployments.put({ ...spec, paused: true }, { actor, ...any })).rejects.toMatchObject(
        expected,
      );
      await expect(stores.deployments.put(spec, { actor, ...any })).rejects.toMatchObject(expected);
      await expect(stores.deployments.delete("digits", { actor, ...any })).rejects.toMatchObject(expected);
    }
    expect(await stores.deployments.put({ ...spec, paused: true }, { actor: skerry, ...any })).toMatchObject({
      changed: true,
      generation: 2,
    });
    const rows = await stores.fleet.load(0, { deployments: ["digits"] });
    expect(rows.deployments).toMatchObject([{ name: "digits", kubernetesNamespace: "skerry" }]);
    await stores.deployments.delete("digits", { actor: skerry, ...any });
  });

  it("is taken over from the API only in the same words, without a new generation, and can be released", async () => {
    const version = await readyVersion(stores, "letters");
    const spec = specOf("letters", { model: "letters", version });
    await stores.deployments.put(spec, { actor: alice, ...any });
    await expect(stores.deployments.put({ ...spec, paused: true }, { actor: skerry, ...any })).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("is declared through the API"),
    });
    await expect(stores.deployments.delete("letters", { actor: skerry, ...any })).rejects.toMatchObject({
      code: "CONFLICT",
    });
    expect(await stores.deployments.put(spec, { actor: skerry, ...any })).toMatchObject({
      changed: false,
      generation: 1,
    });
    await stores.deployments.release("letters", of("elsewhere"));
    await expect(stores.deployments.delete("letters", { actor: alice, ...any })).rejects.toMatchObject({
      code: "CONFLICT",
    });
    await stores.deployments.release("letters", skerry);
    await stores.deployments.delete("letters", { actor: alice, ...any });
  });
});

describe("a model that a custom resource declares", () => {
  it("keeps its labels, its aliases and itself from the API, and takes new versions", async () => {
    const version = await readyVersion(stores, "words");
    await stores.catalog.declareModel({ name: "words", labels: { team: "text" } }, skerry);
    expect(await stores.catalog.getModel("words")).toMatchObject({ labels: { team: "text" }, managedBy: "kubernetes" });
    const expected = managed("the model words", "Model");
    const move = { model: "words", alias: "champion", version, ifMatch: undefined };
    const moved = (actor: Actor): Promise<void> => stores.catalog.moveAlias(move, { actor, event: event("moved") });
    await expect(stores.catalog.patchModel("words", {}, alice)).rejects.toMatchObject(expected);
    await expect(moved(alice)).rejects.toMatchObject(expected);
    await moved(skerry);
    await expect(stores.catalog.deleteAlias({ model: "words", alias: "champion" }, alice)).rejects.toMatchObject(
      expected,
    );
    await expect(stores.catalog.deleteModel("words", alice)).rejects.toMatchObject(expected);
    expect(await readyVersion(stores, "words")).toBe(version + 1);
    await stores.catalog.releaseModel("words", skerry);
    await stores.catalog.deleteModel("words", alice);
  });

  it("is made when there is none, and declaring it again changes nothing", async () => {
    await stores.catalog.declareModel({ name: "new", labels: {} }, skerry);
    const before = await stores.audit.list({ before: null, limit: 1 });
    await stores.catalog.declareModel({ name: "new", labels: {} }, skerry);
    expect(await stores.audit.list({ before: null, limit: 1 })).toEqual(before);
    await expect(stores.catalog.declareModel({ name: "new", labels: {} }, of("elsewhere"))).rejects.toMatchObject({
      code: "CONFLICT",
    });
  });
});

describe("a node that a custom resource cordons", () => {
  it("is changed by it alone until it says nothing any more", async () => {
    await stores.sessions.join(attemptWith(await makeToken(stores)));
    const context = (actor: Actor) => ({ actor, ifMatch: undefined, event: undefined });
    await stores.nodes.update("edge-a", { cordoned: true, kubernetesNamespace: "skerry" }, context(skerry));
    await expect(stores.nodes.update("edge-a", { cordoned: false }, context(alice))).rejects.toMatchObject(
      managed("the node edge-a", "EdgeNode"),
    );
    await stores.nodes.update("edge-a", { kubernetesNamespace: null }, context(skerry));
    await stores.nodes.update("edge-a", { cordoned: false }, context(alice));
    const { nodes } = await stores.fleet.load(0);
    expect(nodes).toMatchObject([{ name: "edge-a", cordoned: false, kubernetesNamespace: undefined }]);
  });
});
