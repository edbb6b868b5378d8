import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { createPostgres, type PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import type { AuditRow } from "../../../../control-plane/ports/access/audit.ts";
import { AuditChainCheck, chainHash, CUT } from "../../../../shared/api/v1/access/audit-chain.ts";
import { isSkerryError } from "../../../../shared/base/errors.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { alice, connect, lead, openStores } from "../fixture.ts";

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

const entries = (): Promise<readonly AuditRow[]> => stores.audit.list({ before: null, limit: 500 });

async function findings(): Promise<readonly string[]> {
  const check = new AuditChainCheck(await stores.audit.head());
  for (const entry of await entries()) check.add({ ...entry });
  return check.end().findings;
}

const createModel = (name: string) => stores.catalog.createModel({ name, labels: { team: "vision" } }, alice);

/** Also on a machine so busy that an answer comes too late: what was done then is found done. */
async function create(name: string): Promise<void> {
  for (;;) {
    const failure = await createModel(name).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined || (isSkerryError(failure) && failure.code === "CONFLICT")) return;
    if (!isSkerryError(failure) || failure.code !== "DATABASE_UNAVAILABLE") throw failure;
  }
}

/** Does something to the log that its triggers refuse, looks, and undoes it. */
async function meddle(statement: string): Promise<readonly string[]> {
  await sql.query("BEGIN; ALTER TABLE audit_log DISABLE TRIGGER USER");
  await sql.query("CREATE TEMP TABLE kept AS SELECT * FROM audit_log");
  await sql.query(`${statement}; ALTER TABLE audit_log ENABLE TRIGGER USER; COMMIT`);
  const found = await findings();
  await sql.query(`BEGIN; ALTER TABLE audit_log DISABLE TRIGGER USER; DELETE FROM audit_log;
    INSERT INTO audit_log SELECT * FROM kept; DROP TABLE kept; ALTER TABLE audit_log ENABLE TRIGGER USER; COMMIT`);
  return found;
}

// One story: each test goes on where the one before it stopped.
describe("the chain of the audit log", () => {
  it("is whole after changes that were made at once, in the order of their numbers", async () => {
    for (const round of [0, 4, 8, 12, 16]) await Promise.all([0, 1, 2, 3].map((index) => create(`m-${round + index}`)));
    const ids = (await entries()).map(({ id }) => Number(id));
    expect(ids).toEqual(Array.from({ length: 20 }, (_, index) => 20 - index));
    expect(await findings()).toEqual([]);
  });

  it("has no gap after a change that was undone", async () => {
    await expect(createModel("m-0")).rejects.toMatchObject({ code: "CONFLICT" });
    await sql.query("ALTER TABLE models ADD CONSTRAINT no_more CHECK (name <> 'never') NOT VALID");
    await expect(createModel("never")).rejects.toThrow(/no_more/);
    await create("m-20");
    expect((await entries())[0]).toMatchObject({ id: "21", action: "model.create" });
    expect(await findings()).toEqual([]);
  });

  it("takes nothing that does not follow its head", async () => {
    const { id, hash } = await stores.audit.head();
    const insert = (entry: number, prev: string) =>
      sql.query(
        `INSERT INTO audit_log (id, actor, address, request_id, action, target, prev, hash)
         VALUES ($1, 'mallory', '', '', 'a', 't', $2, $3)`,
        [entry, prev, "a".repeat(64)],
      );
    await expect(insert(Number(id) + 2, hash)).rejects.toThrow("does not follow its head");
    await expect(insert(Number(id) + 1, "b".repeat(64))).rejects.toThrow("does not follow its head");
    await expect(sql.query("SELECT cut_audit_log(5)")).rejects.toThrow("no entry says that it is cut");
    await expect(sql.query("UPDATE audit_log SET actor = 'x'")).rejects.toThrow("append-only");
  });

  it.each([
    ["an entry that was changed", "UPDATE audit_log SET actor = 'mallory' WHERE id = 7", "entry 7 is not what"],
    ["an entry that was deleted", "DELETE FROM audit_log WHERE id = 7", "entry 7 is missing"],
    ["the newest entry, deleted", "DELETE FROM audit_log WHERE id = 21", "the newest entry is 20"],
    ["the oldest entry, deleted", "DELETE FROM audit_log WHERE id = 1", "entries up to 1 are missing"],
    ["a detail that was changed", `UPDATE audit_log SET detail = '{"a":1}' WHERE id = 20`, "entry 20 is not what"],
    [
      "entries that were swapped",
      "UPDATE audit_log SET id = CASE id WHEN 4 THEN -5 ELSE -4 END WHERE id IN (4, 5); UPDATE audit_log SET id = -id WHERE id < 0",
      "entry 5 is not what",
    ],
  ])("finds %s", async (_, statement, finding) => {
    const found = await meddle(statement);
    expect(found.join("\n")).toContain(finding);
    expect(await findings()).toEqual([]);
  });

  it("is cut by retention at its old end, says so in itself, and stays whole", async () => {
    const other = await startTestDatabase();
    const old = await openStores(other.url);
    const client = await connect(other.url);
    const fence = await lead(old);
    const appendOld = async (days: number): Promise<void> => {
      const { id: last, hash: prev } = await old.audit.head();
      const id = String(BigInt(last) + 1n);
      const at = new Date(Date.now() - days * 86_400_000).toISOString();
      const fields = { actor: "a", keyId: null, address: "", requestId: "", action: "x", target: "y", detail: {} };
      await client.query(
        `INSERT INTO audit_log (id, at, actor, address, request_id, action, target, prev, hash) VALUES ($1, $2, 'a', '', '', 'x', 'y', $3, $4)`,
        [id, at, prev, chainHash(prev, { id, at, ...fields })],
      );
    };
    for (const days of [400, 380, 366, 10]) await appendOld(days);
    const sweep = (auditDays: number) => old.retention.sweep(fence, { eventDays: 30, auditDays, leftoverDays: 30 });
    expect(await sweep(0)).toBe(0);
    expect(await sweep(399.5)).toBe(0); // not yet a day
    expect(await sweep(365)).toBe(3);
    expect(await sweep(365)).toBe(0);
    const left = await old.audit.list({ before: null, limit: 10 });
    expect(left.map(({ id, action }) => [id, action])).toEqual([
      ["5", CUT],
      ["4", "x"],
    ]);
    const check = new AuditChainCheck(await old.audit.head());
    for (const entry of left) check.add({ ...entry });
    expect(check.end()).toEqual({ findings: [], checked: 2, older: 0 });
    await client.end();
    await old.close();
    await other.stop();
  });

  it("is written by a role that may change and delete nothing of it", async () => {
    const role = `service_${process.pid}`;
    const url = new URL(database.url);
    url.username = role;
    url.password = "secret-of-the-test";
    const parts = { clock: systemClock, random: systemRandom, logger: silentLogger, answerMs: 20_000 };
    const open = () => createPostgres({ url: url.href, migrationUrl: database.url, ...parts });
    const [service, again] = await Promise.all([open(), open()]);
    await again.close();
    await service.catalog.createModel({ name: "by-service", labels: {} }, alice);
    const client = await connect(url.href);
    for (const statement of [
      "UPDATE audit_log SET actor = 'x'",
      "DELETE FROM audit_log",
      "UPDATE audit_head SET hash = ''",
      "SET LOCAL skerry.retention = 'on'; DELETE FROM audit_log",
      "ALTER TABLE audit_log DISABLE TRIGGER USER",
    ])
      await expect(client.query(statement)).rejects.toThrow(/permission denied|must be owner/);
    await client.query("CREATE TEMP TABLE audit_head AS SELECT 1 AS id, 999::bigint AS entry_id, ''::text AS hash");
    await client.query("GRANT ALL ON audit_head TO PUBLIC");
    await expect(
      client.query(
        "INSERT INTO audit_log (id, actor, address, request_id, action, target, prev, hash) VALUES (1000, 'x', '', '', 'a', 't', '', '')",
      ),
    ).rejects.toThrow("does not follow its head");
    await client.end();
    await service.close();
    await sql.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    expect(await findings()).toEqual([]);
  });

  it("keeps the last day, whatever entry says that it is cut", async () => {
    const { id: through, hash: prev } = await stores.audit.head();
    const at = new Date().toISOString();
    const detail = { through, hash: prev };
    const fields = { actor: "retention", keyId: null, address: "", requestId: "", action: CUT, target: "t", detail };
    const id = String(BigInt(through) + 1n);
    await sql.query(
      `INSERT INTO audit_log (id, at, actor, address, request_id, action, target, detail, prev, hash)
       VALUES ($1, $2, 'retention', '', '', $3, 't', $4, $5, $6)`,
      [id, at, CUT, detail, prev, chainHash(prev, { id, at, ...fields })],
    );
    await expect(sql.query("SELECT cut_audit_log($1)", [through])).rejects.toThrow("is not older than a day");
    expect(await findings()).toEqual([]);
  });

  it("takes what happened without a change of its own", async () => {
    const entry = { action: "node.identity-conflict", target: "node/edge-a", detail: { kept: "10.0.0.7:1" } };
    await stores.audit.record({ actor: "node/edge-a", address: "10.0.0.8:2", ...entry });
    const [newest] = await stores.audit.list({ before: null, limit: 1 });
    expect(newest).toMatchObject({ actor: "node/edge-a", address: "10.0.0.8:2", ...entry });
    expect(await findings()).toEqual([]);
  });
});
