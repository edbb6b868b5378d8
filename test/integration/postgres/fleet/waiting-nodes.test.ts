import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import {
  alice,
  attemptWith,
  connect,
  event,
  joinNode,
  lead,
  makeToken,
  messagesOf,
  nodeOf,
  openingOf,
  openStores,
} from "../fixture.ts";

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

/** Joins with a token that needs an approval. */
async function joinWaiting(name: string) {
  const attempt = attemptWith(await makeToken(stores, { needsApproval: true }), { name, publicKey: `key of ${name}` });
  const joined = await stores.sessions.join(attempt);
  if (!joined) throw new Error(`${name} could not join`);
  return { attempt, joined };
}

const decision = (over: { ifMatch?: number; publicKey?: string } = {}) => ({
  actor: alice,
  ifMatch: over.ifMatch,
  publicKey: over.publicKey,
  event: event("decided"),
});
const lastAudit = async () => (await stores.audit.list({ before: null, limit: 1 }))[0];

describe("a node that joined with a token that needs an approval", () => {
  it("waits with its key and its address, and opens no session", async () => {
    const { attempt, joined } = await joinWaiting("dock-1");
    expect(joined).toMatchObject({ isWaiting: true });
    expect(await nodeOf(stores, "dock-1")).toMatchObject({
      waiting: { publicKey: "key of dock-1", from: "198.51.100.7" },
      session: undefined,
    });
    expect(await stores.sessions.identity(joined.nodeId)).toMatchObject({ isWaiting: true, revoked: false });
    expect(await stores.sessions.open(openingOf(joined.nodeId))).toBeNull();
    expect(await stores.sessions.join(attempt)).toEqual(joined);
  });

  it("connects once it is approved, which is an entry of the audit log", async () => {
    const { joined } = await joinWaiting("dock-2");
    await stores.nodes.approve("dock-2", decision({ publicKey: "key of dock-2" }));
    expect(await lastAudit()).toMatchObject({
      actor: "alice",
      action: "node.approve",
      target: "node/dock-2",
      detail: { nodeId: joined.nodeId, publicKey: "key of dock-2" },
    });
    expect((await nodeOf(stores, "dock-2")).waiting).toBeUndefined();
    expect(await stores.sessions.open(openingOf(joined.nodeId))).toMatchObject({ epoch: 1 });
  });

  it("is approved once: again changes nothing and writes no entry", async () => {
    await joinNode(stores, "dock-3");
    const { id } = (await lastAudit()) ?? {};
    await stores.nodes.approve("dock-3", decision());
    expect((await lastAudit())?.id).toBe(id);
  });

  it("is not approved with another key than was looked at, or another state of its row", async () => {
    await joinWaiting("dock-4");
    await expect(stores.nodes.approve("dock-4", decision({ publicKey: "another" }))).rejects.toMatchObject({
      code: "CONFLICT",
    });
    await expect(stores.nodes.approve("dock-4", decision({ ifMatch: 7 }))).rejects.toMatchObject({
      code: "STALE_ETAG",
    });
    await expect(stores.nodes.approve("nobody", decision())).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect((await nodeOf(stores, "dock-4")).waiting).toBeDefined();
  });

  it("is void once it is rejected, and leaves its name to another", async () => {
    const { joined } = await joinWaiting("dock-5");
    await stores.nodes.reject("dock-5", decision());
    expect(await lastAudit()).toMatchObject({ action: "node.reject", target: "node/dock-5" });
    expect(await stores.sessions.identity(joined.nodeId)).toMatchObject({ revoked: true });
    await expect(stores.nodes.approve("dock-5", decision())).rejects.toMatchObject({ code: "CONFLICT" });
    const again = await joinWaiting("dock-5");
    expect(again.joined.nodeId).not.toBe(joined.nodeId);
  });

  it("alone can be rejected: a node that may connect is not removed by mistake", async () => {
    await joinNode(stores, "dock-6");
    await expect(stores.nodes.reject("dock-6", decision())).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await nodeOf(stores, "dock-6")).toMatchObject({ revoked: false });
  });

  it("is rejected when nobody approves it in time, and cannot be approved from then on", async () => {
    await joinWaiting("dock-7");
    await joinWaiting("dock-8");
    await sql.query("UPDATE nodes SET waiting_until = now() - interval '1 s' WHERE name = 'dock-7'");
    await expect(stores.nodes.approve("dock-7", decision())).rejects.toMatchObject({ code: "CONFLICT" });
    await stores.retention.sweep(await lead(stores), { eventDays: 30, auditDays: 0, leftoverDays: 30 });
    expect(await nodeOf(stores, "dock-7")).toMatchObject({ revoked: true });
    expect(await nodeOf(stores, "dock-8")).toMatchObject({ revoked: false });
    expect(await lastAudit()).toMatchObject({ action: "node.reject", detail: { why: "overdue" } });
    expect(await messagesOf(stores)).toContain("nobody approved dock-7 in time: it was rejected, and its key is void");
  });

  it("is refused when 250 with its token wait, and joins with another one", async () => {
    const token = await makeToken(stores, { needsApproval: true, uses: 1_000 });
    await sql.query(
      `WITH made AS (
        INSERT INTO nodes (id, name, kind, site, zone, public_key, waiting_until)
        SELECT 'n-full-' || n, 'full-' || n, 'edge', 'harbour', 'harbour', 'key', now() + interval '1 day' FROM generate_series(1, 250) AS n
        RETURNING id)
      INSERT INTO join_token_uses (token_id, public_key, node_id) SELECT $1, id, id FROM made`,
      [token],
    );
    await expect(stores.sessions.join(attemptWith(token, { name: "dock-10" }))).rejects.toMatchObject({
      code: "TOO_MANY_WAITING",
      message: expect.stringContaining("250 nodes with this join token"),
    });
    const other = await makeToken(stores, { needsApproval: true });
    expect(await stores.sessions.join(attemptWith(other, { name: "dock-10" }))).toMatchObject({ isWaiting: true });
    await sql.query("DELETE FROM nodes WHERE name LIKE 'full-%'");
  });

  it("is refused when a thousand wait, without a use of its token", async () => {
    await sql.query(`
      INSERT INTO nodes (id, name, kind, site, zone, public_key, waiting_until)
      SELECT 'n-full-' || n, 'full-' || n, 'edge', 'harbour', 'harbour', 'key', now() + interval '1 day' FROM generate_series(1, 1000) AS n`);
    const token = await makeToken(stores, { needsApproval: true });
    const attempt = attemptWith(token, { name: "dock-9" });
    await expect(stores.sessions.join(attempt)).rejects.toMatchObject({ code: "TOO_MANY_WAITING" });
    await sql.query("DELETE FROM nodes WHERE name LIKE 'full-%'");
    expect(await stores.sessions.join(attempt)).toMatchObject({ isWaiting: true });
  });
});
