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

describe("a drain with a deadline", () => {
  const drains = (name: string, deadlineSeconds: number, removes = false) =>
    stores.nodes.update(name, { cordoned: true, draining: true, drain: { deadlineSeconds, removes } }, context(name));
  const drainOf = async (name: string) => (await nodeOf(stores, name)).drain;

  it("is kept by the database's clock, audited, and gone when the drain ends or begins without one", async () => {
    const nodeId = await joinNode(stores, "edge-k");
    await drains("edge-k", 600, true);
    const first = await drainOf("edge-k");
    expect(first).toMatchObject({ removes: true, announced: undefined });
    expect((await auditOf("node/edge-k"))[0]?.detail).toEqual({
      before: { cordoned: false, draining: false },
      after: { cordoned: true, draining: true, drain: { deadlineSeconds: 600, removes: true } },
    });
    await drains("edge-k", 60);
    const second = await drainOf("edge-k");
    expect(second?.removes).toBe(false);
    expect((first?.revision ?? 0) - (second?.revision ?? 0)).toBeGreaterThan(500_000);
    await stores.nodes.update("edge-k", { draining: false }, context("edge-k"));
    expect(await drainOf("edge-k")).toBeUndefined();
    await drains("edge-k", 60);
    await stores.nodes.update("edge-k", { draining: true, drain: null }, context("edge-k"));
    expect(await drainOf("edge-k")).toBeUndefined();
    await drains("edge-k", 60);
    const fence = await lead(stores);
    expect(await stores.plans.setDraining(fence, { id: nodeId, draining: false }, event("kept"))).toBe("committed");
    expect(await drainOf("edge-k")).toBeUndefined();
  });

  it("is announced once for each deadline and each end, over changes of the leader", async () => {
    const nodeId = await joinNode(stores, "edge-l");
    await drains("edge-l", 60);
    const { revision = 0 } = (await drainOf("edge-l")) ?? {};
    const fence = await lead(stores);
    const about = (to: "overdue" | "done", of = revision) => [
      { nodeId, revision: of, to, event: { ...event(`edge-l is ${to}`), reason: "NodeDrainOverdue" as const } },
    ];
    expect(await stores.plans.announceDrains({ ...fence, token: fence.token + 1n }, about("overdue"))).toBe("fenced");
    expect(await stores.plans.announceDrains(fence, about("overdue", revision - 1))).toBe("stale");
    expect(await stores.plans.announceDrains(fence, about("overdue"))).toBe("committed");
    expect(await stores.plans.announceDrains(fence, about("overdue"))).toBe("stale");
    expect(await stores.plans.announceDrains(fence, about("done"))).toBe("committed");
    expect(await stores.plans.announceDrains(fence, about("overdue"))).toBe("stale");
    const messages = await messagesOf(stores);
    expect(messages.filter((message) => message.startsWith("edge-l is "))).toHaveLength(2);
    await drains("edge-l", 60);
    expect((await drainOf("edge-l"))?.announced).toBeUndefined();
  });
});

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
