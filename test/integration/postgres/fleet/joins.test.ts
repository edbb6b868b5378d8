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
