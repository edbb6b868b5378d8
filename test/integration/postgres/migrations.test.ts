import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { migrate } from "../../../control-plane/adapters/postgres/migrate.ts";
import { missingSql } from "../../../scripts/new-migration.ts";
import { role } from "../../../shared/api/v1/access/keys.ts";
import { versionState } from "../../../shared/api/v1/models.ts";
import { nodeKind } from "../../../shared/api/v1/nodes/nodes.ts";
import { PLACEMENT_STATES, WANTED_STATES } from "../../../shared/protocol/placement.ts";
import { TcpProxy } from "../../support/network/tcp-proxy.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { connect, PATIENT_MS } from "./fixture.ts";

let database: TestDatabase;
let sql: pg.Client;
let directory: string;

beforeAll(async () => {
  database = await startTestDatabase();
  sql = await connect(database.url);
  directory = await mkdtemp(path.join(tmpdir(), "skerry-migrations-"));
});
afterAll(async () => {
  await sql.end();
  await database.stop();
  await rm(directory, { recursive: true });
});

const patient = () => ({ url: database.url, answerMs: PATIENT_MS });

async function addMigration(name: string, script: string): Promise<void> {
  await mkdir(path.join(directory, name));
  await writeFile(path.join(directory, name, "migration.sql"), script);
}

const history = async (): Promise<string[]> =>
  (
    await sql.query<{ name: string }>("SELECT migration_name AS name FROM _prisma_migrations ORDER BY started_at")
  ).rows.map(({ name }) => name);

describe("migrate", () => {
  beforeEach(async () => {
    await sql.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    await rm(directory, { recursive: true });
    await mkdir(directory);
    await addMigration("1_events", "CREATE TABLE events (tx BIGINT); CREATE TABLE once (n INT)");
    await addMigration("2_function", "CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$");
  });

  it("applies everything once when two processes migrate together", async () => {
    const applied = await Promise.all([migrate({ ...patient(), directory }), migrate({ ...patient(), directory })]);
    expect(applied.flat()).toEqual(["1_events", "2_function"]);
    expect(await history()).toEqual(["1_events", "2_function"]);
  });

  it("applies only what is new, and nothing twice", async () => {
    await migrate({ ...patient(), directory });
    await addMigration("3_more", "CREATE TABLE more (n INT)");
    expect(await migrate({ ...patient(), directory })).toEqual(["3_more"]);
    expect(await migrate({ ...patient(), directory })).toEqual([]);
  });

  it("waits for a database that does not answer until its deadline", async () => {
    const proxy = await TcpProxy.start();
    try {
      const url = new URL(database.url);
      proxy.pointAt(Number(url.port));
      url.port = String(proxy.port);
      proxy.break({ blackhole: "down" });
      const applied = migrate({ ...patient(), url: url.href, directory });
      const refused = migrate({ url: url.href, directory, answerMs: 50 });
      await expect(refused).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
      // The other one began earlier, and waits on.
      proxy.heal();
      expect(await applied).toEqual(["1_events", "2_function"]);
    } finally {
      await proxy.stop();
    }
  });

  it("leaves no trace of a migration that fails half-way, and goes on when it is repaired", async () => {
    await addMigration("3_broken", "CREATE TABLE half (n INT); CREATE TABLE once (n INT)");
    await expect(migrate({ ...patient(), directory })).rejects.toThrow(
      /3_broken could not be applied and changed nothing: .*once.* already exists/,
    );
    expect(await history()).toEqual(["1_events", "2_function"]);
    expect((await sql.query("SELECT to_regclass('half') AS half")).rows).toEqual([{ half: null }]);
    await writeFile(path.join(directory, "3_broken/migration.sql"), "CREATE TABLE half (n INT)");
    expect(await migrate({ ...patient(), directory })).toEqual(["3_broken"]);
  });

  it("refuses to go on over a migration that another tool left unfinished, and names it", async () => {
    await migrate({ ...patient(), directory });
    await sql.query("INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', '', '3_half')");
    await expect(migrate({ ...patient(), directory })).rejects.toThrow(
      /3_half began earlier and did not finish.*prisma migrate resolve/,
    );
  });

  it("takes no offence at migrations of a newer program", async () => {
    await migrate({ ...patient(), directory });
    await sql.query(
      "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('x', '', '9_future', now())",
    );
    expect(await migrate({ ...patient(), directory })).toEqual([]);
  });

  it("only checks when it must not apply", async () => {
    await expect(migrate({ ...patient(), directory, apply: false })).rejects.toThrow(
      /lacks the migrations 1_events, 2_function/,
    );
    expect((await sql.query("SELECT to_regclass('once') AS once")).rows).toEqual([{ once: null }]);
  });
});

describe("the schema of Skerry", () => {
  beforeAll(async () => {
    await sql.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    await migrate(patient());
  });

  it("is what prisma/schema.prisma says", async () => {
    expect(await missingSql(database.url)).toBeNull();
  }, 180_000);

  it.each([
    ["placements_state_check", PLACEMENT_STATES],
    ["placements_wanted_check", WANTED_STATES],
    ["model_versions_state_check", versionState.options],
    ["nodes_kind_check", nodeKind.options],
    ["join_tokens_kind_check", nodeKind.options],
    ["api_keys_role_check", role.options],
    ["events_type_check", ["Normal", "Warning"]],
  ])("holds in %s the set that the code knows", async (constraint, values) => {
    const { rows } = await sql.query<{ text: string }>(
      "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = $1",
      [constraint],
    );
    const listed = [...(rows[0]?.text ?? "").matchAll(/'([^']+)'::text/g)].map(([, value]) => value);
    expect(new Set(listed)).toEqual(new Set(values));
  });

  it.each(["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log", "TRUNCATE audit_log"])(
    "refuses %s",
    async (statement) => {
      await expect(sql.query(statement)).rejects.toThrow(/audit_log is append-only/);
    },
  );
});
