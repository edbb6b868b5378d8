import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import {
  alice,
  event,
  joinNode,
  lead,
  messagesOf,
  nodeOf,
  openStores,
  placementOn,
  placementsOf,
  readyVersion,
  specOf,
} from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  await readyVersion(stores);
});
afterAll(async () => {
  await stores.close();
  await database.stop();
});

const any = { actor: alice, ifMatch: undefined };
const auditOf = async (target: string) =>
  (await stores.audit.list({ before: null, limit: 500 })).filter((entry) => entry.target === target);

describe("put", () => {
  it("creates, then changes, with event and audit row each time", async () => {
    expect(await stores.deployments.put(specOf("one"), any)).toEqual({
      created: true,
      changed: true,
      generation: 1,
      rowVersion: 1,
    });
    expect(await stores.deployments.put(specOf("one", { version: "champion" }), any)).toEqual({
      created: false,
      changed: true,
      generation: 2,
      rowVersion: 2,
    });
    const [row] = (await stores.fleet.load(0)).deployments.filter(({ name }) => name === "one");
    expect(row).toMatchObject({ generation: 2, spec: specOf("one", { version: "champion" }) });
    expect(await messagesOf(stores)).toEqual(
      expect.arrayContaining([
        "alice declared the deployment one of digits at version 1",
        "alice changed the deployment one, which is at generation 2 now",
      ]),
    );
    const [changed, created] = await auditOf("deployment/one");
    expect(created).toMatchObject({
      actor: "alice",
      action: "deployment.create",
      requestId: "req-1",
      detail: { before: null },
    });
    expect(changed).toMatchObject({
      action: "deployment.update",
      detail: { before: created?.detail["after"], generation: 2 },
    });
  });

  it("of an equal spec changes nothing and notifies nobody", async () => {
    await stores.deployments.put(specOf("two"), any);
    expect(await stores.deployments.put(specOf("two"), any)).toEqual({
      created: false,
      changed: false,
      generation: 1,
      rowVersion: 1,
    });
    expect(await auditOf("deployment/two")).toHaveLength(1);
  });

  it("refuses a stale version, also of a deployment that does not exist", async () => {
    await stores.deployments.put(specOf("three"), any);
    const put = (version: string, ifMatch: number) =>
      stores.deployments.put(specOf("three", { version }), { actor: alice, ifMatch });
    expect(await put("a", 1)).toMatchObject({ rowVersion: 2 });
    await expect(put("b", 1)).rejects.toMatchObject({ code: "STALE_ETAG" });
    await expect(stores.deployments.put(specOf("nobody"), { actor: alice, ifMatch: 1 })).rejects.toMatchObject({
      code: "STALE_ETAG",
    });
    expect(await stores.deployments.rowVersion("three")).toBe(2);
    expect(await stores.deployments.rowVersion("nobody")).toBeNull();
  });

  it("lets one of two operators through who read the same version", async () => {
    await stores.deployments.put(specOf("four"), any);
    const both = await Promise.allSettled(
      ["a", "b"].map((version) => stores.deployments.put(specOf("four", { version }), { actor: alice, ifMatch: 1 })),
    );
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  });

  it("creates one deployment when twenty declare it at once", async () => {
    const puts = await Promise.all(Array.from({ length: 20 }, () => stores.deployments.put(specOf("five"), any)));
    expect(puts.filter(({ created }) => created)).toHaveLength(1);
    expect(await auditOf("deployment/five")).toHaveLength(1);
  });

  it("refuses a model that does not exist", async () => {
    await expect(stores.deployments.put(specOf("six", { model: "nothing" }), any)).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });
});

describe("delete", () => {
  it("makes its placements absent and notifies their nodes", async () => {
    const nodeId = await joinNode(stores, "edge-a");
    await stores.deployments.put(specOf("digits"), any);
    const placement = placementOn(nodeId);
    await stores.plans.createPlacements(await lead(stores), [{ placement, event: event("placed") }]);
    await expect(stores.deployments.delete("digits", { actor: alice, ifMatch: 9 })).rejects.toMatchObject({
      code: "STALE_ETAG",
    });
    await stores.deployments.delete("digits", { actor: alice, ifMatch: 1 });
    expect(await placementsOf(stores)).toMatchObject([
      { id: placement.id, deployment: undefined, wanted: "gone", generation: 1 },
    ]);
    expect((await nodeOf(stores, "edge-a")).desiredRev).toBe(2);
    expect(await messagesOf(stores)).toContain("alice deleted the deployment digits: its placements leave their nodes");
    expect((await auditOf("deployment/digits"))[0]).toMatchObject({
      action: "deployment.delete",
      detail: { after: null },
    });
    await expect(stores.deployments.delete("digits", any)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("leaves the placements of a namesake that is declared later alone", async () => {
    await stores.deployments.put(specOf("digits"), any);
    const nodeId = (await nodeOf(stores, "edge-a")).id;
    expect(
      await stores.plans.createPlacements(await lead(stores), [
        { placement: placementOn(nodeId), event: event("placed anew") },
      ]),
    ).toBe("committed");
    expect((await placementsOf(stores)).map(({ wanted }) => wanted).toSorted()).toEqual(["gone", "serve"]);
  });
});
