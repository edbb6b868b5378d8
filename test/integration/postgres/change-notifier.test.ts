import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../control-plane/adapters/postgres/postgres.ts";
import type { Clone } from "../../../control-plane/ports/nodes/nodes.ts";
import type { NodeId } from "../../../shared/base/ids.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { until } from "../../support/processes/skerry-process.ts";
import { connect, event, openStores } from "./fixture.ts";

let database: TestDatabase;
let stores: PostgresStores;
let sql: pg.Client;
let rings = 0;
let otherRings = 0;

beforeAll(async () => {
  database = await startTestDatabase();
  stores = await openStores(database.url);
  sql = await connect(database.url);
  stores.onNotify(() => otherRings++);
  await stores.notifier.listen(() => rings++);
});
afterEach(() => {
  rings = 0;
});
afterAll(async () => {
  await stores.notifier.stop();
  await sql.end();
  await stores.close();
  await database.stop();
});

const listener = async () =>
  (
    await sql.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'skerry notifications'",
    )
  ).rows[0]?.pid;
const rung = () => until("the notifier rings", () => rings > 0);

describe("the notifier", () => {
  it("notifies everybody after a commit, once for a transaction with many events", async () => {
    await stores.events.append([event("a"), event("b")]);
    await rung();
    expect(rings).toBe(1);
    expect(otherRings).toBe(1);
  });

  it("passes on that a process may be a clone, also to the control plane that says so, and is no change", async () => {
    const clone = { nodeId: "n-1" as NodeId, bootId: "b-2", address: "10.0.0.66:9" };
    const heard: Clone[] = [];
    stores.onClone((each) => heard.push(each));
    await stores.sessions.announceClone(clone);
    await until("it is heard", () => heard.length > 0);
    expect(heard).toEqual([clone]);
    await sql.query("SELECT pg_notify('skerry', 'clone {}'), pg_notify('skerry', 'clone')");
    await stores.events.append([event("x")]);
    await rung();
    expect([heard.length, rings]).toEqual([1, 1]);
  });

  it("notifies after it listens again, and for what is committed from then on", async () => {
    const before = await listener();
    await sql.query("SELECT pg_terminate_backend($1)", [before]);
    await rung();
    expect(await listener()).not.toBe(before);
    rings = 0;
    await stores.events.append([event("c")]);
    await rung();
  });

  it("is silent and gone after it was stopped", async () => {
    await stores.notifier.stop();
    await until("its connection is gone", async () => (await listener()) === undefined);
    await stores.events.append([event("d")]);
    expect(rings).toBe(0);
  });
});
