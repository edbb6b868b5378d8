import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { runCli } from "../../../unit/cli/support/run-cli.ts";
import { alice, connect, openStores } from "../fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
let sql: pg.Client;

afterEach(() => {
  jest.restoreAllMocks();
});

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

const create = (id: string, ttlMs: number | null = null) =>
  stores.keys.create(
    { id, name: `key-${id}`, secretHash: "ab".repeat(32), role: "application", models: ["digits"], ttlMs },
    alice,
  );

describe("API keys", () => {
  it("are made, found and listed; the list has no hash", async () => {
    expect(await stores.keys.isEmpty()).toBe(true);
    const info = await create("k1", 86_400_000);
    expect(info).toEqual({
      id: "k1",
      name: "key-k1",
      role: "application",
      models: ["digits"],
      createdAt: expect.any(String),
      expiresAt: expect.any(String),
      lastUsedAt: null,
      revokedAt: null,
    });
    expect(await stores.keys.isEmpty()).toBe(false);
    expect(await stores.keys.find("k1")).toEqual({
      id: "k1",
      name: "key-k1",
      role: "application",
      models: ["digits"],
      secretHash: "ab".repeat(32),
      expiresInMs: expect.any(Number),
      revokedAt: null,
    });
    expect(Date.parse(info.expiresAt ?? "") - Date.parse(info.createdAt)).toBe(86_400_000);
    expect(await stores.keys.find("k2")).toBeNull();
    expect(await stores.keys.list()).toEqual([info]);
  });

  it("expire by the database's clock, whatever this machine's says", async () => {
    await create("k5", 60_000);
    await sql.query("UPDATE api_keys SET expires_at = now() + interval '2 seconds' WHERE id = 'k5'");
    const now = Date.now();
    jest.spyOn(Date, "now").mockReturnValue(now + 3_600_000);
    const { expiresInMs } = (await stores.keys.find("k5")) ?? {};
    expect(expiresInMs).toBeGreaterThan(0);
    expect(expiresInMs).toBeLessThanOrEqual(2_000);
    await sql.query("UPDATE api_keys SET expires_at = now() - interval '2 seconds' WHERE id = 'k5'");
    jest.spyOn(Date, "now").mockReturnValue(now - 3_600_000);
    expect((await stores.keys.find("k5"))?.expiresInMs).toBeLessThan(-1_000);
    await sql.query("DELETE FROM api_keys WHERE id = 'k5'");
  });

  it("are revoked once, with one audit row", async () => {
    await create("k3");
    await stores.keys.revoke("k3", alice);
    const revokedAt = (await stores.keys.find("k3"))?.revokedAt;
    expect(revokedAt).toBeGreaterThan(0);
    await stores.keys.revoke("k3", alice);
    expect((await stores.keys.find("k3"))?.revokedAt).toBe(revokedAt);
    await expect(stores.keys.revoke("nobody", alice)).rejects.toMatchObject({ code: "NOT_FOUND" });
    const actions = (await stores.audit.list({ before: null, limit: 500 }))
      .filter(({ target }) => target === "api-key/k3")
      .map(({ action }) => action);
    expect(actions).toEqual(["api-key.revoke", "api-key.create"]);
  });

  it("keep the last admin key that is valid, also when two are revoked at once", async () => {
    const admin = (id: string, ttlMs: number | null = null) =>
      stores.keys.create({ id, name: id, secretHash: "ab".repeat(32), role: "admin", models: [], ttlMs }, alice);
    await admin("a1");
    await admin("a2");
    await admin("expired", -1_000);
    const ended = await Promise.allSettled(["a1", "a2"].map((id) => stores.keys.revoke(id, alice)));
    expect(ended.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    const left = (await stores.keys.list()).filter(
      ({ role, revokedAt, id }) => role === "admin" && revokedAt === null && id !== "expired",
    );
    expect(left).toHaveLength(1);
    await expect(stores.keys.revoke(left[0]?.id ?? "", alice)).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("note their last use at most once a minute", async () => {
    await create("k4");
    const lastUse = async () => (await stores.keys.list()).find(({ id }) => id === "k4")?.lastUsedAt;
    await stores.keys.touch("k4");
    const first = await lastUse();
    await stores.keys.touch("k4");
    expect(await lastUse()).toBe(first);
    await sql.query("UPDATE api_keys SET last_used_at = '2020-01-01Z' WHERE id = 'k4'");
    await stores.keys.touch("k4");
    expect(Date.parse((await lastUse()) ?? "")).toBeGreaterThanOrEqual(Date.parse(first ?? ""));
  });
});

describe("the audit log", () => {
  it("is read newest first, page by page", async () => {
    const all = await stores.audit.list({ before: null, limit: 500 });
    expect(all.length).toBeGreaterThan(2);
    const [first, second] = all;
    expect(await stores.audit.list({ before: null, limit: 1 })).toEqual([first]);
    expect(await stores.audit.list({ before: first?.id ?? null, limit: 1 })).toEqual([second]);
    await expect(stores.audit.list({ before: "1 OR 1=1", limit: 1 })).rejects.toMatchObject({
      code: "INVALID_REQUEST",
    });
  });

  it("has a row for each change or neither is there", async () => {
    const count = async () => (await stores.audit.list({ before: null, limit: 500 })).length;
    const before = await count();
    await sql.query("ALTER TABLE audit_log ADD CONSTRAINT no_more CHECK (action <> 'api-key.create') NOT VALID");
    await expect(create("k5")).rejects.toThrow(/no_more/);
    await sql.query("ALTER TABLE audit_log DROP CONSTRAINT no_more");
    expect(await stores.keys.find("k5")).toBeNull();
    expect(await count()).toBe(before);
    await create("k5");
    expect(await count()).toBe(before + 1);
  });
});

describe("skerry keys recover", () => {
  it("makes an admin key with the database at hand, and an audit entry of it", async () => {
    const { exitCode, stdout, stderr } = await runCli(["keys", "recover"], { env: { DATABASE_URL: database.url } });
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining("Next: skerry keys ls")]);
    const [, id = ""] = /^sk_([0-9a-f]{12})_\S{43}\n$/.exec(stdout) ?? [];
    expect(await stores.keys.find(id)).toMatchObject({ name: "recovered-admin", role: "admin", revokedAt: null });
    const [entry] = await stores.audit.list({ before: null, limit: 1 });
    expect(entry).toMatchObject({ action: "api-key.create", target: `api-key/${id}` });
    expect(entry?.actor).toMatch(/^keys recover \(/);
  }, 60_000);

  it("says what is missing, and which database does not answer", async () => {
    expect((await runCli(["keys", "recover"], { env: {} })).stderr).toContain("DATABASE_URL is not set");
    const env = { DATABASE_URL: "postgresql://nobody@127.0.0.1:1/nothing" };
    const { exitCode, stdout, stderr } = await runCli(["keys", "recover"], { env });
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("no key was made");
  }, 60_000);
});
