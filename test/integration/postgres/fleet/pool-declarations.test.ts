import { expect, it } from "@jest/globals";
import type { Actor } from "../../../../control-plane/ports/access/audit.ts";
import { cloudPoolSpec, type CloudPoolSpec } from "../../../../shared/api/v1/nodes/cloud-pools.ts";
import { alice, messagesOf } from "../fixture.ts";
import { stores } from "../own-stores.ts";

const kubernetes: Actor = { ...alice, name: "kubernetes", kubernetesNamespace: "skerry" };
const spec = (name: string, over: object = {}): CloudPoolSpec =>
  cloudPoolSpec.parse({ name, namespace: "skerry", deployment: `node-${name}`, max: 4, ...over });
const put = (of: CloudPoolSpec, actor = alice, ifMatch?: number) =>
  stores.poolDeclarations.put(of, { actor, ifMatch }).catch((error: { code: string }) => error.code);
const remove = (name: string, actor = alice, ifMatch?: number) =>
  stores.poolDeclarations.delete(name, { actor, ifMatch }).catch((error: { code: string }) => error.code);
const names = async (): Promise<readonly string[]> =>
  (await stores.poolDeclarations.list()).map(
    ({ spec: { name }, rowVersion, kubernetesNamespace }) => `${name} ${rowVersion} ${kubernetesNamespace}`,
  );

it("declares a pool, changes it when it differs and deletes it, each with its event and audit entry", async () => {
  expect(await put(spec("gpu"))).toEqual({ created: true, rowVersion: 1 });
  expect(await put(spec("gpu"))).toEqual({ created: false, rowVersion: 1 });
  expect(await put(spec("gpu", { max: 8 }), alice, 1)).toEqual({ created: false, rowVersion: 2 });
  expect([await put(spec("gpu"), alice, 1), await remove("gpu", alice, 1)]).toEqual(["STALE_ETAG", "STALE_ETAG"]);
  expect(await names()).toEqual(["gpu 2 null"]);
  expect([await remove("gpu", alice, 2), await remove("gpu")]).toEqual([undefined, "NOT_FOUND"]);
  expect((await messagesOf(stores)).slice(-3)).toEqual([
    "alice declared the pool gpu: 0 to 4 pods of skerry/node-gpu",
    "alice changed the pool gpu: 0 to 8 pods of skerry/node-gpu",
    "alice deleted the pool gpu: its pods stay, and nobody scales them",
  ]);
  const audited = await stores.audit.list({ before: null, limit: 3 });
  expect(audited.map(({ action }) => action)).toEqual(["pool.delete", "pool.update", "pool.create"]);
});

it("lets one pool scale a Deployment, also when two are declared at once", async () => {
  const both = [spec("a", { deployment: "node" }), spec("b", { deployment: "node" })];
  const answers = await Promise.all(both.map((each) => put(each)));
  expect(answers.filter((answer) => answer === "CONFLICT")).toHaveLength(1);
  expect(await put(spec("c", { deployment: "node", namespace: "other" }))).toMatchObject({ created: true });
  for (const { spec: of } of await stores.poolDeclarations.list()) await remove(of.name);
});

it("has one owner: a custom resource takes over what says the same, and nobody else changes it then", async () => {
  await put(spec("spot"));
  expect(await put(spec("spot", { max: 9 }), kubernetes)).toBe("CONFLICT");
  expect(await put(spec("spot"), kubernetes)).toEqual({ created: false, rowVersion: 2 });
  expect(await names()).toEqual(["spot 2 skerry"]);
  expect([await put(spec("spot", { max: 9 })), await remove("spot")]).toEqual(["CONFLICT", "CONFLICT"]);
  const elsewhere = { ...kubernetes, kubernetesNamespace: "elsewhere" };
  expect([await put(spec("spot")), await put(spec("spot"), elsewhere)]).toEqual(["CONFLICT", "CONFLICT"]);
  expect(await put(spec("spot", { max: 9 }), kubernetes)).toEqual({ created: false, rowVersion: 3 });
  expect(await remove("spot", kubernetes)).toBeUndefined();
});
