import { describe, expect, it } from "@jest/globals";
import type { Actor } from "../../../control-plane/ports/access/audit.ts";
import type { LeaderFence } from "../../../control-plane/ports/plan.ts";
import { cloudPoolSpec } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import { alice, attemptWith, event, lead, makeToken, readyVersion, specOf } from "./fixture.ts";
import { stores } from "./own-stores.ts";

const under = (lease: LeaderFence, namespace = "skerry"): Actor => ({
  ...alice,
  name: "kubernetes",
  kubernetesNamespace: namespace,
  lease,
});
const any = { ifMatch: undefined };
const state = async (): Promise<unknown> => {
  const { nodes, deployments } = await stores.fleet.load(0);
  const [audit] = await stores.audit.list({ before: null, limit: 1 });
  const pools = await stores.poolDeclarations.list();
  return { nodes, deployments, pools, models: await stores.catalog.listModels(), audit };
};

describe("what a custom resource declares", () => {
  it("is changed under the lease alone: by a replica that lost it, in no way at all", async () => {
    const held = await lead(stores, "r-1");
    const version = await readyVersion(stores, "digits");
    const spec = specOf("digits", { model: "digits", version });
    await stores.deployments.put(spec, { actor: under(held), ...any });
    await stores.catalog.declareModel({ name: "digits", labels: {} }, under(held));
    await stores.catalog.declareModel({ name: "words", labels: {} }, under(held));
    await stores.sessions.join(attemptWith(await makeToken(stores)));
    const cordon = { cordoned: true, kubernetesNamespace: "skerry" };
    await stores.nodes.update("edge-a", cordon, { actor: under(held), event: undefined, ...any });

    const pool = cloudPoolSpec.parse({ name: "gpu", namespace: "skerry", deployment: "node-gpu", max: 2 });
    await stores.poolDeclarations.put(pool, { actor: under(held), ...any });

    await stores.leadership.release(held);
    const other = await lead(stores, "r-2");
    const late = under(held);
    const before = await state();
    const move = { model: "digits", alias: "champion", version, ifMatch: undefined };
    const writes: readonly (() => Promise<unknown>)[] = [
      () => stores.deployments.put({ ...spec, paused: true }, { actor: late, ...any }),
      () => stores.deployments.put(specOf("other", { model: "digits", version }), { actor: late, ...any }),
      () => stores.deployments.delete("digits", { actor: late, ...any }),
      () => stores.deployments.release("digits", late),
      () => stores.catalog.declareModel({ name: "digits", labels: { team: "late" } }, late),
      () => stores.catalog.declareModel({ name: "new", labels: {} }, late),
      () => stores.catalog.moveAlias(move, { actor: late, event: event("moved") }),
      () => stores.catalog.releaseModel("digits", late),
      () => stores.catalog.deleteModel("words", late),
      () => stores.nodes.update("edge-a", { cordoned: false }, { actor: late, event: undefined, ...any }),
      () => stores.poolDeclarations.put({ ...pool, max: 9 }, { actor: late, ...any }),
      () => stores.poolDeclarations.delete("gpu", { actor: late, ...any }),
      () => stores.owners.releaseOthers(undefined, late),
    ];
    for (const write of writes) await expect(write()).rejects.toThrow("does not lead any more");
    expect(await state()).toEqual(before);
    await stores.deployments.put({ ...spec, paused: true }, { actor: under(other), ...any });
    await stores.leadership.release(other);
  });

  it("is released to the API when its namespace is not carried out any more, and is the same otherwise", async () => {
    const held = await lead(stores, "r-1");
    const version = await readyVersion(stores, "letters");
    const spec = specOf("letters", { model: "letters", version });
    await stores.deployments.put(spec, { actor: under(held, "elsewhere"), ...any });
    const owners = async (): Promise<readonly string[]> => {
      const { nodes, deployments } = await stores.fleet.load(0);
      const models = (await stores.catalog.listModels()).filter(({ managedBy }) => managedBy !== undefined);
      const owned = [...nodes, ...deployments].filter(({ kubernetesNamespace }) => kubernetesNamespace !== undefined);
      const declared = await stores.poolDeclarations.list();
      const pools = declared.flatMap(({ spec: of, kubernetesNamespace: by }) => (by === null ? [] : [of]));
      return [...owned, ...models, ...pools].map(({ name }) => name).toSorted();
    };
    expect(await owners()).toEqual(["digits", "digits", "edge-a", "gpu", "letters", "words"]);
    expect(await stores.owners.releaseOthers("elsewhere", under(held))).toBe(5);
    expect(await stores.owners.releaseOthers("elsewhere", under(held))).toBe(0);
    expect(await owners()).toEqual(["letters"]);
    expect(await stores.owners.releaseOthers(undefined, under(held))).toBe(1);
    expect(await owners()).toEqual([]);
    const { nodes, deployments } = await stores.fleet.load(0);
    expect(nodes).toMatchObject([{ name: "edge-a", cordoned: true }]);
    expect(deployments.map(({ name, generation }) => `${name} ${generation}`).toSorted()).toEqual([
      "digits 2",
      "letters 1",
    ]);
    await stores.deployments.delete("letters", { actor: alice, ...any });
    expect((await stores.audit.list({ before: null, limit: 2 })).map(({ action, target }) => [action, target])).toEqual(
      [
        ["deployment.delete", "deployment/letters"],
        ["deployment.release", "deployment/letters"],
      ],
    );
  });
});
