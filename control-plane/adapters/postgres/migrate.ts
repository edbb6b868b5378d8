import { createHash, randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { messageOf } from "../../../shared/base/errors.ts";
import { unavailable } from "./database-errors.ts";
import { settleRestoredEvents } from "./events/restored-events.ts";
import { prepareServiceRole } from "./service-role.ts";

/** "skerry" in ASCII, cut to 32 bits: the advisory lock that lets one process migrate at a time. */
const LOCK_KEY = 0x736b6572;
/** A migration of a big table may take its time; a holder that hangs must not make us hang. */
const LOCK_PATIENCE = "60s";
const MIGRATIONS = join(import.meta.dirname, "../../../prisma/migrations");

/** Prisma's own table, so that `prisma migrate status` and `prisma migrate deploy` keep working for operators. */
const CREATE_HISTORY = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY NOT NULL,
  checksum VARCHAR(64) NOT NULL,
  finished_at TIMESTAMPTZ,
  migration_name VARCHAR(255) NOT NULL,
  logs TEXT,
  rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  applied_steps_count INTEGER NOT NULL DEFAULT 0
)`;
const INSERT_HISTORY = `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
  VALUES ($1, $2, $3, now(), clock_timestamp(), 1)`;

export interface MigrateOptions {
  readonly url: string;
  /** `false`: change nothing and throw when something is pending, for a role that may not alter tables. */
  readonly apply?: boolean;
  /** Of the role that is to serve, when it is another one than that of `url`: it is made, and given its rights. */
  readonly serviceUrl?: string | undefined;
  /** Where the migrations lie; ours when left out. */
  readonly directory?: string;
  /** How long PostgreSQL may take to answer the connection; 2 s unless given. */
  readonly answerMs?: number | undefined;
}

/**
 * Brings the schema up to date and returns the names of what was applied now. Any number of processes may do this at
 * once: one applies, the others wait and find nothing to do. Each migration is one transaction with its line in the
 * history, so a crash leaves it applied or not begun, and the next start goes on. Migrations in the history that this
 * program does not know are a newer program's and no obstacle. Throws `DATABASE_UNAVAILABLE`.
 *
 * Not the schema engine: through the pg adapter it cuts a script at every `;`, also inside a function's body, and runs
 * the pieces one by one outside a transaction.
 */
export async function migrate({
  url,
  apply = true,
  serviceUrl,
  directory = MIGRATIONS,
  answerMs = 2_000,
}: MigrateOptions): Promise<readonly string[]> {
  const client = new pg.Client({
    connectionString: url,
    application_name: "skerry migrate",
    connectionTimeoutMillis: answerMs,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw unavailable(error);
  }
  try {
    const applied = await applyPending(client, { directory, apply });
    await settleRestoredEvents(client);
    if (serviceUrl !== undefined) {
      await takeLock(client);
      await prepareServiceRole(client, serviceUrl);
    }
    return applied;
  } finally {
    // Closing the session gives the lock back.
    await client.end();
  }
}

async function applyPending(
  client: pg.Client,
  { directory, apply }: { directory: string; apply: boolean },
): Promise<readonly string[]> {
  const pending = await findPending(client, directory);
  if (pending.length === 0) return [];
  if (!apply)
    throw new Error(
      `the database lacks the migrations ${pending.join(", ")}: run \`prisma migrate deploy\` with a role that may alter tables`,
    );
  await takeLock(client);
  const applied: string[] = [];
  for (const name of await findPending(client, directory)) {
    await applyMigration(client, directory, name);
    applied.push(name);
  }
  return applied;
}

/** Names of migrations that the history lacks, oldest first. */
async function findPending(client: pg.Client, directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const table = await client.query<{ exists: boolean }>(
    "SELECT to_regclass('_prisma_migrations') IS NOT NULL AS exists",
  );
  if (!table.rows[0]?.exists) return names.toSorted();
  const history = await client.query<{ migration_name: string; finished: boolean }>(
    "SELECT migration_name, finished_at IS NOT NULL AS finished FROM _prisma_migrations WHERE rolled_back_at IS NULL",
  );
  const failed = history.rows.find((row) => !row.finished);
  if (failed) {
    throw new Error(
      `the migration ${failed.migration_name} began earlier and did not finish: see its \`logs\` in _prisma_migrations, ` +
        `repair the schema, then run \`prisma migrate resolve --rolled-back ${failed.migration_name}\` (or --applied)`,
    );
  }
  const done = new Set(history.rows.map((row) => row.migration_name));
  return names.filter((name) => !done.has(name)).toSorted();
}

async function takeLock(client: pg.Client): Promise<void> {
  await client.query(`SET lock_timeout = '${LOCK_PATIENCE}'`);
  await client.query("SELECT pg_advisory_lock($1)", [LOCK_KEY]).catch((cause: unknown) => {
    throw new Error(
      `another process has been migrating the database for ${LOCK_PATIENCE}: look for it in pg_stat_activity`,
      { cause },
    );
  });
}

async function applyMigration(client: pg.Client, directory: string, name: string): Promise<void> {
  const script = await readFile(join(directory, name, "migration.sql"), "utf8");
  const checksum = createHash("sha256").update(script).digest("hex");
  try {
    await client.query("BEGIN");
    await client.query(CREATE_HISTORY);
    await client.query(script);
    await client.query(INSERT_HISTORY, [randomUUID(), checksum, name]);
    await client.query("COMMIT");
  } catch (cause) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw new Error(`the migration ${name} could not be applied and changed nothing: ${messageOf(cause)}`, { cause });
  }
}
