import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { Database, type Transaction } from "../../../control-plane/adapters/postgres/database.ts";
import { seededRandom } from "../../../shared/base/random.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { connect } from "./fixture.ts";

let server: TestDatabase;
let database: Database;
let sql: pg.Client;
const warnings: string[] = [];
const logger: Logger = { ...silentLogger, warn: (_fields, message) => void warnings.push(message) };

beforeAll(async () => {
  server = await startTestDatabase();
  database = new Database({ url: server.url, poolSize: 3, logger, random: seededRandom(1) });
  sql = await connect(server.url);
  await sql.query("INSERT INTO settings VALUES ('a', '0'), ('b', '0')");
});
afterAll(async () => {
  await sql.end();
  await database.close();
  await server.stop();
});

const add = (tx: Transaction, key: string) =>
  tx.$executeRaw`UPDATE settings SET value = (value::int + 1)::text WHERE key = ${key}`;
const valueOf = async (key: string) =>
  (await sql.query<{ value: string }>("SELECT value FROM settings WHERE key = $1", [key])).rows[0]?.value;
const failure = async (call: Promise<unknown>) => {
  const started = performance.now();
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { error, tookMs: performance.now() - started };
};

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

  it("that waits for a locked row is refused after two seconds", async () => {
    await sql.query("BEGIN");
    await sql.query("SELECT 1 FROM settings WHERE key = 'a' FOR UPDATE");
    const { error, tookMs } = await failure(database.transaction((tx) => add(tx, "a")));
    await sql.query("ROLLBACK");
    expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE", retryAfterMs: 2_000 });
    expect(tookMs).toBeGreaterThan(1_900);
    expect(tookMs).toBeLessThan(2_500);
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
  it("refuses the next call within two seconds and says so once in the log", async () => {
    warnings.length = 0;
    // Longer than anybody waits: a connection that came free just then would make this a matter of luck.
    const sleep = () => failure(database.run((client) => client.$queryRaw`SELECT pg_sleep(4)::text`));
    const held = Array.from({ length: 3 }, sleep);
    await until("the pool is in use", async () => {
      const { rowCount } = await sql.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
      return rowCount === 3;
    });
    const extra = await Promise.all(
      Array.from({ length: 20 }, () => failure(database.run((client) => client.$queryRaw`SELECT 1 AS one`))),
    );
    await Promise.all(held);
    for (const { error, tookMs } of extra) {
      expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE" });
      expect(tookMs).toBeLessThan(2_500);
    }
    expect(warnings).toEqual(["PostgreSQL does not answer"]);
    await until("the pool answers", () =>
      database
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
    const [limits] = await database.run(
      (client) => client.$queryRaw<unknown[]>`
      SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
        current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('synchronous_commit') AS sync`,
    );
    expect(limits).toEqual({ statement: "5s", lock: "2s", idle: "10s", sync: "on" });
  });
});
