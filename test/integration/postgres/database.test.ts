import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { Database, type Transaction } from "../../../control-plane/adapters/postgres/database.ts";
import type { PrismaClient } from "../../../prisma/generated/client.ts";
import { seededRandom } from "../../../shared/base/random.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { connect } from "./fixture.ts";

let server: TestDatabase;
/** Has time on a busy machine. */
let database: Database;
/** Waits for a short time, and logs. */
let hurried: Database;
/** With the limits of a control plane. */
let shipped: Database;
let sql: pg.Client;
const warnings: string[] = [];
const logger: Logger = { ...silentLogger, warn: (_fields, message) => void warnings.push(message) };

beforeAll(async () => {
  server = await startTestDatabase();
  const parts = { url: server.url, poolSize: 3, random: seededRandom(1) };
  database = new Database({ ...parts, logger: silentLogger, answerMs: 20_000 });
  hurried = new Database({ ...parts, logger, answerMs: 4_000 });
  shipped = new Database({ ...parts, logger: silentLogger });
  sql = await connect(server.url);
  await sql.query("INSERT INTO settings VALUES ('a', '0'), ('b', '0')");
});
afterAll(async () => {
  await sql.end();
  await Promise.all([database, hurried, shipped].map((each) => each.close()));
  await server.stop();
});

const add = (tx: Transaction, key: string) =>
  tx.$executeRaw`UPDATE settings SET value = (value::int + 1)::text WHERE key = ${key}`;
const valueOf = async (key: string) =>
  (await sql.query<{ value: string }>("SELECT value FROM settings WHERE key = $1", [key])).rows[0]?.value;
const failure = async (call: Promise<unknown>) => ({
  error: await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  ),
});

describe("a transaction", () => {
  it("is taken back when its work throws", async () => {
    const fault = new Error("changed my mind");
    expect(
      (
        await failure(
          database.transaction(async (tx) => {
            await add(tx, "a");
            throw fault;
          }),
        )
      ).error,
    ).toBe(fault);
    expect(await valueOf("a")).toBe("0");
  });

  it("that deadlocks with another is repeated, and both take effect", async () => {
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const cross = (
      keys: readonly [string, string],
      mine: PromiseWithResolvers<void>,
      theirs: PromiseWithResolvers<void>,
    ) =>
      database.transaction(async (tx) => {
        await add(tx, keys[0]);
        mine.resolve();
        await theirs.promise;
        await add(tx, keys[1]);
      });
    await Promise.all([cross(["a", "b"], first, second), cross(["b", "a"], second, first)]);
    expect([await valueOf("a"), await valueOf("b")]).toEqual(["2", "2"]);
  });

  it("that waits for a locked row is refused while that is locked", async () => {
    await sql.query("BEGIN");
    await sql.query("SELECT 1 FROM settings WHERE key = 'a' FOR UPDATE");
    const { error } = await failure(hurried.transaction((tx) => add(tx, "a")));
    await sql.query("ROLLBACK");
    expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE", retryAfterMs: 2_000 });
  });

  it("whose connection is ended by an administrator is refused, and the next one gets another connection", async () => {
    const { error } = await failure(
      database.transaction(async (tx) => {
        const [row] = await tx.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
        await sql.query("SELECT pg_terminate_backend($1)", [row?.pid]);
        await add(tx, "a");
      }),
    );
    expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    await database.transaction((tx) => add(tx, "b"));
    expect(await valueOf("b")).toBe("3");
  });
});

describe("a full pool", () => {
  it("refuses the next call while it is full and says so once in the log", async () => {
    await until(
      "it has connected",
      async () => (await failure(hurried.run((client) => client.setting.count()))).error === undefined,
    );
    warnings.length = 0;
    // Until they are cancelled: a connection that came free by itself would make this a matter of luck.
    const sleep = () => failure(hurried.run((client) => client.$queryRaw`SELECT pg_sleep(600)::text`));
    const held = Array.from({ length: 3 }, sleep);
    const sleeping = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    await until("the pool is in use", async () => (await sql.query(`SELECT 1 ${sleeping}`)).rowCount === 3);
    const extra = await Promise.all(
      Array.from({ length: 20 }, () => failure(hurried.run((client) => client.$queryRaw`SELECT 1 AS one`))),
    );
    await sql.query(`SELECT pg_cancel_backend(pid) ${sleeping}`);
    await Promise.all(held);
    for (const { error } of extra) expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    expect(warnings).toEqual(["PostgreSQL does not answer"]);
    await until("the pool answers", () =>
      hurried
        .run((client) => client.setting.count())
        .then(
          () => true,
          () => false,
        ),
    );
  });
});

describe("the server's own limits", () => {
  it("are set on every connection", async () => {
    const read = (client: PrismaClient) => client.$queryRaw<unknown[]>`
      SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
        current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('synchronous_commit') AS sync`;
    const [limits] = await until("the database answers", () => shipped.run(read).catch(() => undefined));
    expect(limits).toEqual({ statement: "5s", lock: "2s", idle: "10s", sync: "on" });
  });
});
