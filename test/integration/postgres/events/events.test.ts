import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { until } from "../../../support/processes/skerry-process.ts";
import { connect, event, openStores } from "../fixture.ts";

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
beforeEach(() => sql.query("DELETE FROM events"));

const INSERT = "INSERT INTO events (type, reason, object, message) VALUES ('Normal', 'Happened', 'test/it', $1)";
const read = (query: { after?: string | null; limit?: number; newest?: boolean; object?: string } = {}) =>
  stores.events.read({
    after: query.after ?? null,
    limit: query.limit ?? 100,
    newest: query.newest ?? false,
    object: query.object,
  });
const append = (...messages: string[]) => stores.events.append(messages.map((message) => event(message)));

describe("events", () => {
  it("come oldest first, page by page, each with the cursor that continues after it", async () => {
    await append("a", "b", "c");
    await append("d");
    const [first, second] = await read({ limit: 2 });
    expect([first?.message, second?.message]).toEqual(["a", "b"]);
    expect(first).toMatchObject({
      type: "Normal",
      reason: "Happened",
      object: "test/it",
      at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect((await read({ after: second?.id ?? null })).map(({ message }) => message)).toEqual(["c", "d"]);
    await stores.events.append([]);
  });

  it("come as the newest few, still oldest first", async () => {
    await append("a", "b", "c");
    expect((await read({ newest: true, limit: 2 })).map(({ message }) => message)).toEqual(["b", "c"]);
  });

  it("can be narrowed to one object", async () => {
    await stores.events.append([event("of a", "node/a"), event("of b", "node/b")]);
    expect((await read({ object: "node/b" })).map(({ message }) => message)).toEqual(["of b"]);
    expect((await read({ object: "node/b", newest: true })).map(({ message }) => message)).toEqual(["of b"]);
  });

  it.each(["nonsense", "1", "1.", "99999999999999999999.1", "9999999999999999999.1"])(
    "cannot be read after %s, which is no event's id",
    async (after) => {
      await expect(read({ after })).rejects.toMatchObject({ code: "INVALID_REQUEST" });
    },
  );
});

describe("a reader that follows the cursor", () => {
  it("misses no event of a transaction that commits late", async () => {
    const slow = await connect(database.url);
    await slow.query("BEGIN");
    await slow.query(INSERT, ["early number, late commit"]);
    await append("late number, early commit");
    expect(await read()).toEqual([]);
    await slow.query("COMMIT");
    await slow.end();
    const seen = await read();
    expect(seen.map(({ message }) => message)).toEqual(["early number, late commit", "late number, early commit"]);
  });

  it("sees every event exactly once while twenty writers commit in any order", async () => {
    const writers = await Promise.all(Array.from({ length: 20 }, () => connect(database.url)));
    const work = Promise.all(
      writers.map(async (writer, index) => {
        for (let round = 0; round < 10; round++) {
          await writer.query("BEGIN");
          await writer.query(INSERT, [`${index}/${round}`]);
          await writer.query("SELECT pg_sleep(random() / 100)");
          await writer.query("COMMIT");
        }
        await writer.end();
      }),
    );
    const seen: string[] = [];
    let cursor: string | null = null;
    await until("all events were seen", async () => {
      const page = await read({ after: cursor, limit: 7 });
      cursor = page.at(-1)?.id ?? cursor;
      seen.push(...page.map(({ message }) => message));
      return seen.length >= 200;
    });
    await work;
    expect(await read({ after: cursor })).toEqual([]);
    expect(new Set(seen).size).toBe(200);
    expect(seen).toHaveLength(200);
  });
});

describe("events that were restored from another server's dump", () => {
  it("come first, in their order, and a cursor from that server still holds", async () => {
    await sql.query(`INSERT INTO events (tx, type, reason, object, message)
      SELECT 1000000000 + n, 'Normal', 'Happened', 'test/it', 'old ' || n FROM generate_series(1, 3) AS n`);
    const { rows } = await sql.query<{ id: string }>("SELECT id FROM events WHERE message = 'old 2'");
    expect(await read()).toEqual([]);
    const restarted = await openStores(database.url);
    await restarted.close();
    await append("new");
    expect((await read()).map(({ message }) => message)).toEqual(["old 1", "old 2", "old 3", "new"]);
    expect((await read({ after: `1000000002.${rows[0]?.id}` })).map(({ message }) => message)).toEqual([
      "old 3",
      "new",
    ]);
  });
});
