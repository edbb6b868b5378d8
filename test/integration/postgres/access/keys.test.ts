import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { runCli } from "../../../unit/cli/support/run-cli.ts";
import { alice, connect, openStores, readyVersion, specOf } from "../fixture.ts";

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

const limits = { requestsPerMinute: 60, concurrency: null, tokensPerMinute: 1_000 };
const UNSCOPED = { models: [], modelLabels: {}, deployments: [], limits } as const;

const create = (id: string, ttlMs: number | null = null) =>
  stores.keys.create(
    { ...UNSCOPED, id, name: `key-${id}`, secretHash: "ab".repeat(32), role: "application", models: ["digits"], ttlMs },
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
      modelLabels: {},
      deployments: [],
      limits,
      successor: null,
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
      deployments: [],
      limits,
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
    await sql.query("UPDATE api_keys SET expires_at = now() + interval '1 minute' WHERE id = 'k5'");
    const now = Date.now();
    jest.spyOn(Date, "now").mockReturnValue(now + 3_600_000);
    const { expiresInMs } = (await stores.keys.find("k5")) ?? {};
    expect(expiresInMs).toBeGreaterThan(0);
    expect(expiresInMs).toBeLessThanOrEqual(60_000);
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
      stores.keys.create({ ...UNSCOPED, id, name: id, secretHash: "ab".repeat(32), role: "admin", ttlMs }, alice);
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

  it("grant models by name, by label and by deployment, as they are now", async () => {
    for (const [name, team] of [
      ["cat", "vision"],
      ["dog", "vision"],
      ["chat", "text"],
      ["fox", "other"],
    ] as const)
      await stores.catalog.createModel({ name, labels: { team, tier: "1" } }, alice);
    await readyVersion(stores, "fox");
    await stores.deployments.put(specOf("fox-eu", { model: "fox" }), { actor: alice, ifMatch: undefined });
    const scope = { models: ["chat", "not-yet"], modelLabels: { team: "vision" }, deployments: ["fox-eu", "none"] };
    await stores.keys.create(
      { id: "s1", name: "s1", secretHash: "", role: "application", ...scope, limits, ttlMs: null },
      alice,
    );
    const granted = async () => {
      const { models, deployments } = (await stores.keys.find("s1")) ?? {};
      return { models, deployments };
    };
    expect(await granted()).toEqual({
      models: ["chat", "not-yet", "cat", "dog"],
      deployments: [{ name: "fox-eu", model: "fox" }],
    });
    await stores.catalog.patchModel("dog", { team: "text" }, alice);
    expect((await granted()).models).toEqual(["chat", "not-yet", "cat"]);
    expect((await stores.keys.list()).find(({ id }) => id === "s1")).toMatchObject(scope);
  });

  it("are rotated once: a new key with the same rights, and the old one ends with the overlap", async () => {
    await create("r1", 10 * 86_400_000);
    const rotation = { id: "r2", secretHash: "cd".repeat(32), ttlMs: undefined, overlapMs: 3_600_000 };
    const made = await stores.keys.rotate("r1", rotation, alice);
    expect(made).toMatchObject({
      id: "r2",
      name: "key-r1",
      role: "application",
      models: ["digits"],
      limits,
      successor: null,
    });
    expect(Date.parse(made.expiresAt ?? "") - Date.parse(made.createdAt)).toBe(10 * 86_400_000);
    const [old, fresh] = [await stores.keys.find("r1"), await stores.keys.find("r2")];
    expect(old?.expiresInMs).toBeGreaterThan(3_500_000);
    expect(old?.expiresInMs).toBeLessThanOrEqual(3_600_000);
    expect(fresh?.secretHash).toBe("cd".repeat(32));
    expect((await stores.keys.list()).find(({ id }) => id === "r1")?.successor).toBe("r2");
    const again = { ...rotation, id: "r3" };
    await expect(stores.keys.rotate("r1", again, alice)).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(stores.keys.rotate("nobody", again, alice)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await stores.keys.revoke("r2", alice);
    await expect(stores.keys.rotate("r2", again, alice)).rejects.toMatchObject({ code: "CONFLICT" });
    // An overlap never makes a key live longer.
    await create("r4", 60_000);
    await stores.keys.rotate("r4", { ...again, id: "r5" }, alice);
    expect((await stores.keys.find("r4"))?.expiresInMs).toBeLessThanOrEqual(60_000);
    const actions = (await stores.audit.list({ before: null, limit: 500 })).filter(
      ({ target }) => target === "api-key/r1",
    );
    expect(actions.map(({ action }) => action)).toEqual(["api-key.rotate", "api-key.create"]);
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
  }, 120_000);

  it("says what is missing, and which database does not answer", async () => {
    expect((await runCli(["keys", "recover"], { env: {} })).stderr).toContain("DATABASE_URL is not set");
    const env = { DATABASE_URL: "postgresql://nobody@127.0.0.1:1/nothing" };
    const { exitCode, stdout, stderr } = await runCli(["keys", "recover"], { env });
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("no key was made");
  }, 120_000);
});
