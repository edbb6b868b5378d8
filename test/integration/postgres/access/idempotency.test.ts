import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import { connect, openStores } from "../fixture.ts";

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

const begin = (key: string, hash = "h1", keyId = "k1") => stores.idempotency.begin(keyId, key, hash);
const age = (key: string, interval: string) =>
  sql.query("UPDATE idempotent_replies SET created_at = now() - $2::interval WHERE key = $1", [key, interval]);

describe("an idempotency key", () => {
  it("is claimed by one of twenty who come at once", async () => {
    const claims = await Promise.all(Array.from({ length: 20 }, () => begin("race")));
    expect(claims.filter(({ kind }) => kind === "new")).toHaveLength(1);
    expect(claims.filter(({ kind }) => kind === "busy")).toHaveLength(19);
  });

  it("gives the first answer again, whatever JSON it is", async () => {
    for (const [index, body] of [{ id: 7 }, [1], "text", null].entries()) {
      await begin(`done-${index}`);
      await stores.idempotency.finish("k1", `done-${index}`, { status: 201, body });
      expect(await begin(`done-${index}`)).toEqual({ kind: "done", status: 201, body });
    }
  });

  it("gives the first answer again with its fields in the same order", async () => {
    const text = '{"zebra":1,"a":{"long":1,"b":2}}';
    await begin("order");
    await stores.idempotency.finish("k1", "order", { status: 200, body: JSON.parse(text) });
    expect(JSON.stringify(await begin("order"))).toContain(text);
  });

  it("keeps its first answer when a second one comes", async () => {
    await begin("late");
    await stores.idempotency.finish("k1", "late", { status: 201, body: 1 });
    await stores.idempotency.finish("k1", "late", { status: 500, body: 2 });
    await stores.idempotency.abandon("k1", "late");
    expect(await begin("late")).toEqual({ kind: "done", status: 201, body: 1 });
  });

  it("refuses another request, under way or done", async () => {
    await begin("other");
    expect(await begin("other", "h2")).toEqual({ kind: "mismatch" });
    await stores.idempotency.finish("k1", "other", { status: 200, body: {} });
    expect(await begin("other", "h2")).toEqual({ kind: "mismatch" });
  });

  it("belongs to one API key", async () => {
    await begin("mine");
    expect(await begin("mine", "h2", "k2")).toEqual({ kind: "new" });
  });

  it("is free again after the work failed", async () => {
    await begin("failed");
    await stores.idempotency.abandon("k1", "failed");
    expect(await begin("failed", "h2")).toEqual({ kind: "new" });
  });

  it("is taken over from one who did not answer within a minute, by the same request only", async () => {
    await begin("crashed");
    await age("crashed", "59 seconds");
    expect(await begin("crashed")).toEqual({ kind: "busy" });
    await age("crashed", "61 seconds");
    expect(await begin("crashed", "h2")).toEqual({ kind: "mismatch" });
    expect(await begin("crashed")).toEqual({ kind: "new" });
    expect(await begin("crashed")).toEqual({ kind: "busy" });
  });

  it("lives for a day", async () => {
    await begin("old");
    await stores.idempotency.finish("k1", "old", { status: 200, body: {} });
    await age("old", "25 hours");
    expect(await begin("old", "h2")).toEqual({ kind: "new" });
  });
});
