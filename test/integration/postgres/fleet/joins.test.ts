import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { alice, attemptWith, connect, event, joinNode, makeToken, nodeOf, openStores } from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
let sql: pg.Client;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  sql = await connect(database.url);
});
afterAll(async () => {
  await sql.end();
  await stores.close();
  await database.stop();
});

const nodesNamedLike = async (pattern: string) =>
  (await sql.query("SELECT name FROM nodes WHERE name LIKE $1", [pattern])).rows;

describe("join", () => {
  it("makes the node that the token describes", async () => {
    const attempt = attemptWith(await makeToken(stores), { name: "edge-first" });
    expect(await stores.sessions.join(attempt)).toEqual({
      nodeId: attempt.newNodeId,
      generation: 1,
      kind: "edge",
      site: "harbour",
      zone: "pier-1",
    });
    expect(await nodeOf(stores, "edge-first")).toMatchObject({
      id: attempt.newNodeId,
      labels: { floor: "2" },
      session: undefined,
      capabilities: undefined,
      desiredRev: 0,
    });
    expect(await stores.sessions.identity(attempt.newNodeId)).toEqual({
      name: "edge-first",
      kind: "edge",
      publicKey: "key-1",
      generation: 1,
      revoked: false,
      isWaiting: false,
      previousKey: null,
      keyAgeMs: expect.any(Number),
    });
    const [token] = (await stores.nodes.listTokens()).filter(({ id }) => id === attempt.tokenId);
    expect(token).toMatchObject({ usedBy: attempt.newNodeId, usedAt: expect.any(String) });
    const [entry] = await stores.audit.list({ before: null, limit: 1 });
    expect(entry).toMatchObject({
      actor: `join-token/${attempt.tokenId}`,
      action: "node.join",
      target: "node/edge-first",
      address: "198.51.100.7",
      requestId: "req-join",
    });
  });

  it("makes one node when twenty use the same token at once", async () => {
    const token = await makeToken(stores);
    const attempts = Array.from({ length: 20 }, (_, index) =>
      attemptWith(token, { name: `race-${index}`, publicKey: `key-${index}` }),
    );
    const joined = await Promise.all(attempts.map((attempt) => stores.sessions.join(attempt)));
    expect(joined.filter((node) => node !== null)).toHaveLength(1);
    expect(await nodesNamedLike("race-%")).toHaveLength(1);
  });

  it("gives the same identity again when the answer was lost", async () => {
    const token = await makeToken(stores);
    const first = await stores.sessions.join(attemptWith(token, { name: "edge-lost" }));
    expect(await stores.sessions.join(attemptWith(token, { name: "edge-lost" }))).toEqual(first);
    expect(await nodesNamedLike("edge-lost")).toHaveLength(1);
  });

  it("makes one node when the same joiner asks twenty times at once", async () => {
    const token = await makeToken(stores);
    const joined = await Promise.all(
      Array.from({ length: 20 }, () => stores.sessions.join(attemptWith(token, { name: "edge-eager" }))),
    );
    expect(new Set(joined.map((node) => node?.nodeId)).size).toBe(1);
    expect(joined).not.toContain(null);
  });

  it("refuses a wrong secret, kind or name, an unknown token and an expired one alike", async () => {
    const fixed = await makeToken(stores, { name: "edge-fixed" });
    expect(await stores.sessions.join(attemptWith(fixed, { name: "edge-other" }))).toBeNull();
    expect(await stores.sessions.join(attemptWith(fixed, { name: "edge-fixed", kind: "cloud" }))).toBeNull();
    expect(
      await stores.sessions.join(attemptWith(fixed, { name: "edge-fixed", secretHash: "0".repeat(64) })),
    ).toBeNull();
    expect(await stores.sessions.join(attemptWith("t-nobody"))).toBeNull();
    expect(await stores.sessions.join(attemptWith(await makeToken(stores, { ttlSeconds: 0 })))).toBeNull();
    expect(await stores.sessions.join(attemptWith(fixed, { name: "edge-fixed" }))).not.toBeNull();
  });

  it("refuses a used token to the same key under another name", async () => {
    const token = await makeToken(stores);
    await stores.sessions.join(attemptWith(token, { name: "edge-once" }));
    expect(await stores.sessions.join(attemptWith(token, { name: "edge-twice" }))).toBeNull();
  });

  it("refuses a used token to another key, also under the same name", async () => {
    const token = await makeToken(stores);
    const thieves = ["key-1", "key-2", "key-3"].map((publicKey) =>
      attemptWith(token, { name: "edge-prey", publicKey }),
    );
    const joined = await Promise.all(thieves.map((attempt) => stores.sessions.join(attempt)));
    expect(joined.filter((node) => node !== null)).toHaveLength(1);
  });

  it("makes as many nodes as the token has uses, however many come at once", async () => {
    const token = await makeToken(stores, { uses: 3 });
    const attempts = Array.from({ length: 8 }, (_, index) =>
      attemptWith(token, { name: `group-${index}`, publicKey: `key-${index}` }),
    );
    const joined = await Promise.all(attempts.map((attempt) => stores.sessions.join(attempt)));
    expect(joined.filter((node) => node !== null)).toHaveLength(3);
    const again = await Promise.all(attempts.map((attempt) => stores.sessions.join(attempt)));
    expect(again).toEqual(joined);
    const [info] = (await stores.nodes.listTokens()).filter(({ id }) => id === token);
    expect(info).toMatchObject({ uses: 3, used: 3 });
  });

  it("costs no use when the name is taken", async () => {
    await joinNode(stores, "edge-there");
    const token = await makeToken(stores, { uses: 2 });
    const join = (name: string, publicKey: string) => stores.sessions.join(attemptWith(token, { name, publicKey }));
    await expect(join("edge-there", "key-1")).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect(await join("edge-here", "key-1")).not.toBeNull();
    expect(await join("edge-near", "key-2")).not.toBeNull();
    expect(await join("edge-far", "key-3")).toBeNull();
  });

  it("refuses the name of a live node and leaves the token usable", async () => {
    await joinNode(stores, "edge-taken");
    const token = await makeToken(stores);
    await expect(stores.sessions.join(attemptWith(token, { name: "edge-taken" }))).rejects.toMatchObject({
      code: "NAME_TAKEN",
    });
    expect(await stores.sessions.join(attemptWith(token, { name: "edge-free" }))).not.toBeNull();
  });

  it("gives the name of a revoked node to a new one, whose old key stays void", async () => {
    const old = await joinNode(stores, "edge-again");
    await stores.nodes.revoke("edge-again", { actor: alice, event: event("revoked") });
    const renewed = await joinNode(stores, "edge-again");
    expect(renewed).not.toBe(old);
    expect(await stores.sessions.identity(old)).toBeNull();
  });
});

describe("the key of a node", () => {
  const rotate = (nodeId: string, from: string, to: string, generation = 1) =>
    stores.sessions.rotateKey({ nodeId: nodeId as never, generation, from, to, address: "198.51.100.7" });

  it("is replaced by the next one, and taken for a day more", async () => {
    const nodeId = await joinNode(stores, "edge-rotates");
    const from = (await stores.sessions.identity(nodeId))?.publicKey ?? "";
    await sql.query("UPDATE nodes SET key_made_at = now() - interval '46 days' WHERE id = $1", [nodeId]);
    expect((await stores.sessions.identity(nodeId))?.keyAgeMs).toBeGreaterThan(45 * 86_400_000);
    expect(await rotate(nodeId, from, "next-key")).toBe(true);
    const after = await stores.sessions.identity(nodeId);
    expect(after).toMatchObject({ publicKey: "next-key", previousKey: from, generation: 1 });
    expect(after?.keyAgeMs).toBeLessThan(60_000);
    await sql.query("UPDATE nodes SET previous_key_until = now() WHERE id = $1", [nodeId]);
    expect(await stores.sessions.identity(nodeId)).toMatchObject({ publicKey: "next-key", previousKey: null });
    const [entry] = await stores.audit.list({ before: null, limit: 1 });
    expect(entry).toMatchObject({ actor: "node/edge-rotates", action: "node.rotate-key", address: "198.51.100.7" });
  });

  it("stays when another one is in its place, its identity is void, or the same is said again", async () => {
    const nodeId = await joinNode(stores, "edge-stays");
    const from = (await stores.sessions.identity(nodeId))?.publicKey ?? "";
    expect(await rotate(nodeId, "not its key", "stolen")).toBe(false);
    expect(await rotate(nodeId, from, "stolen", 2)).toBe(false);
    expect(await rotate(nodeId, from, "key-2")).toBe(true);
    expect(await rotate(nodeId, from, "key-2")).toBe(true);
    expect(await rotate(nodeId, from, "key-3")).toBe(false);
    expect(await stores.sessions.identity(nodeId)).toMatchObject({ publicKey: "key-2", previousKey: from });
    await stores.nodes.revoke("edge-stays", { actor: alice, event: event("revoked") });
    expect(await rotate(nodeId, "key-2", "key-4")).toBe(false);
  });
});
