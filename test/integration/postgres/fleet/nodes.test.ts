import { describe, expect, it } from "@jest/globals";
import {
  alice,
  event,
  joinNode,
  lead,
  makeToken,
  messagesOf,
  nodeOf,
  openingOf,
  placementOn,
  placementsOf,
  readyVersion,
  specOf,
} from "../fixture.ts";
import { stores } from "../own-stores.ts";

const auditOf = async (target: string) =>
  (await stores.audit.list({ before: null, limit: 500 })).filter((entry) => entry.target === target);
const context = (name: string, ifMatch?: number) => ({ actor: alice, ifMatch, event: event(`${name} was changed`) });

describe("update", () => {
  it("changes a flag, notifies the node and keeps event and audit row", async () => {
    await joinNode(stores, "edge-a");
    await stores.nodes.update("edge-a", { cordoned: true }, context("edge-a"));
    expect(await nodeOf(stores, "edge-a")).toMatchObject({ cordoned: true, draining: false, desiredRev: 1 });
    expect(await stores.nodes.rowVersion("edge-a")).toBe(2);
    expect(await messagesOf(stores)).toContain("edge-a was changed");
    expect((await auditOf("node/edge-a"))[0]).toMatchObject({
      actor: "alice",
      action: "node.update",
      detail: { before: { cordoned: false }, after: { cordoned: true } },
    });
  });

  it("replaces labels and moves a node to another site without telling it", async () => {
    await joinNode(stores, "edge-b");
    await stores.nodes.update("edge-b", { labels: { gpu: "none" }, site: "island" }, context("edge-b"));
    expect(await nodeOf(stores, "edge-b")).toMatchObject({
      labels: { gpu: "none" },
      site: "island",
      zone: "pier-1",
      desiredRev: 0,
    });
  });

  it("to what is so already changes nothing and leaves no audit row", async () => {
    await joinNode(stores, "edge-c");
    await stores.nodes.update("edge-c", { cordoned: false, labels: { floor: "2" } }, context("edge-c"));
    expect(await stores.nodes.rowVersion("edge-c")).toBe(1);
    expect((await auditOf("node/edge-c")).map(({ action }) => action)).toEqual(["node.join"]);
    expect(await messagesOf(stores)).not.toContain("edge-c was changed");
  });

  it("refuses a stale version and an unknown node", async () => {
    await joinNode(stores, "edge-d");
    await expect(stores.nodes.update("edge-d", { cordoned: true }, context("edge-d", 7))).rejects.toMatchObject({
      code: "STALE_ETAG",
    });
    await expect(stores.nodes.update("nobody", { cordoned: true }, context("nobody"))).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    expect(await stores.nodes.rowVersion("nobody")).toBeNull();
  });
});

describe("another name", () => {
  it("keeps all else that the node is, and is the name of its rows from then on", async () => {
    const nodeId = await joinNode(stores, "edge-r");
    await stores.sessions.open(openingOf(nodeId));
    await stores.nodes.update("edge-r", { name: "quay-1" }, context("edge-r"));
    expect(await nodeOf(stores, "quay-1")).toMatchObject({ id: nodeId, generation: 1, session: { open: true } });
    expect(await stores.nodes.rowVersion("edge-r")).toBeNull();
    expect((await auditOf("node/edge-r"))[0]).toMatchObject({
      action: "node.update",
      detail: { before: { name: "edge-r" }, after: { name: "quay-1" } },
    });
    expect(await joinNode(stores, "edge-r")).not.toBe(nodeId);
  });

  it("is refused while another node has it, and may be the one of a removed node", async () => {
    for (const name of ["edge-s", "edge-t"]) await stores.sessions.open(openingOf(await joinNode(stores, name)));
    const rename = () => stores.nodes.update("edge-s", { name: "edge-t" }, context("edge-s"));
    await expect(rename()).rejects.toMatchObject({ code: "NAME_TAKEN" });
    await stores.nodes.revoke("edge-t", { actor: alice, event: event("edge-t was revoked") });
    await rename();
    expect(await nodeOf(stores, "edge-t")).toMatchObject({ revoked: false });
  });

  it("is refused a node that has never connected, which may ask again by its own name whether it has joined", async () => {
    await joinNode(stores, "edge-u");
    const rename = stores.nodes.update("edge-u", { name: "quay-2" }, context("edge-u"));
    await expect(rename).rejects.toMatchObject({ code: "CONFLICT" });
  });
});

describe("revoke", () => {
  it("makes the identity void and the placements gone", async () => {
    const nodeId = await joinNode(stores, "edge-e");
    await stores.sessions.open(openingOf(nodeId));
    await readyVersion(stores);
    await stores.deployments.put(specOf("digits"), { actor: alice, ifMatch: undefined });
    const fence = await lead(stores);
    const placement = placementOn(nodeId);
    await stores.plans.createPlacements(fence, [{ placement, event: event("placed") }]);
    await stores.nodes.revoke("edge-e", { actor: alice, event: event("edge-e was revoked") });
    expect(await nodeOf(stores, "edge-e")).toMatchObject({
      revoked: true,
      generation: 2,
      desiredRev: 2,
      session: { open: false },
    });
    expect(await placementsOf(stores)).toMatchObject([{ id: placement.id, wanted: "gone", generation: 1 }]);
    expect(await stores.plans.deletePlacement(fence, { id: placement.id, generation: 1 }, event("forgotten"))).toBe(
      "committed",
    );
  });

  it("twice changes nothing more; of an unknown node it is refused", async () => {
    await stores.nodes.revoke("edge-e", { actor: alice, event: event("edge-e was revoked twice") });
    expect(await nodeOf(stores, "edge-e")).toMatchObject({ generation: 2 });
    expect(await messagesOf(stores)).not.toContain("edge-e was revoked twice");
    await expect(stores.nodes.revoke("nobody", { actor: alice, event: event("x") })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });
});

describe("join tokens", () => {
  it("are made with a life by the database's clock, listed without their secret, and deleted", async () => {
    const id = await makeToken(stores, { name: "edge-x", ttlSeconds: 60 });
    const [token] = (await stores.nodes.listTokens()).filter((row) => row.id === id);
    expect(token).toEqual({
      id,
      kind: "edge",
      site: "harbour",
      zone: "pier-1",
      name: "edge-x",
      expiresAt: expect.any(String),
      uses: 1,
      used: 0,
      usedAt: null,
      usedBy: null,
      needsApproval: false,
      replaces: null,
      createdAt: expect.any(String),
    });
    expect(Date.parse(token?.expiresAt ?? "") - Date.parse(token?.createdAt ?? "")).toBe(60_000);
    await stores.nodes.deleteToken(id, alice);
    expect((await stores.nodes.listTokens()).map((row) => row.id)).not.toContain(id);
    await expect(stores.nodes.deleteToken(id, alice)).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect((await auditOf(`join-token/${id}`)).map(({ action }) => action)).toEqual([
      "join-token.delete",
      "join-token.create",
    ]);
  });
});
