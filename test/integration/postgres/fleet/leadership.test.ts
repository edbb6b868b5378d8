import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import {
  alice,
  anAttempt,
  connect,
  event,
  joinNode,
  lead,
  messagesOf,
  nodeOf,
  openStores,
  placementOn,
  placementsOf,
  readyVersion,
  specOf,
  untilSomebodyWaits,
} from "../fixture.ts";

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
beforeEach(() => sql.query("DELETE FROM leadership"));

const expire = () => sql.query("UPDATE leadership SET expires_at = now() - interval '1 second'");

describe("the lease", () => {
  it("has one holder, also when twenty ask at once", async () => {
    const fences = await Promise.all(
      Array.from({ length: 20 }, (_, index) => stores.leadership.acquire(`r-${index}`, 10_000)),
    );
    expect(fences.filter((fence) => fence !== null)).toHaveLength(1);
  });

  it("is renewed under the same token", async () => {
    const first = await lead(stores);
    expect(await stores.leadership.acquire("r-1", 10_000)).toEqual(first);
    expect(await stores.leadership.acquire("r-2", 10_000)).toBeNull();
  });

  it("passes to another under a higher token once it has run out", async () => {
    const first = await lead(stores);
    await expire();
    const second = await lead(stores, "r-2");
    expect(second.token).toBe(first.token + 1n);
    expect(await stores.leadership.acquire("r-1", 10_000)).toBeNull();
  });

  it("is a new one for its own holder once it has run out", async () => {
    const first = await lead(stores);
    await expire();
    expect((await lead(stores)).token).toBe(first.token + 1n);
  });

  it("is free at once when it was released, unless somebody else released it", async () => {
    const first = await lead(stores);
    await stores.leadership.release({ holder: "r-2", token: first.token });
    expect(await stores.leadership.acquire("r-2", 10_000)).toBeNull();
    await stores.leadership.release(first);
    expect(await stores.leadership.acquire("r-2", 10_000)).toMatchObject({ holder: "r-2" });
  });
});

describe("a write of a leader that lost the lease", () => {
  it("is fenced and changes nothing", async () => {
    const node = await joinNode(stores, "edge-a");
    await readyVersion(stores);
    await stores.deployments.put(specOf("digits"), { actor: alice, ifMatch: undefined });
    const old = await lead(stores);
    const placement = placementOn(node);
    expect(await stores.plans.createPlacements(old, [{ placement, event: event("placed") }])).toBe("committed");
    await expire();
    await lead(stores, "r-2");

    const before = { rows: await placementsOf(stores), rev: (await nodeOf(stores, "edge-a")).desiredRev };
    const held = { id: placement.id, generation: 1, attempt: anAttempt };
    expect(
      await stores.plans.createPlacements(old, [
        { placement: placementOn(node, { version: 2 }), event: event("too late") },
      ]),
    ).toBe("fenced");
    expect(await stores.plans.retryPlacement(old, held, event("too late"))).toBe("fenced");
    expect(await stores.plans.removePlacement(old, held, event("too late"))).toBe("fenced");
    expect(await stores.plans.deletePlacement(old, held, event("too late"))).toBe("fenced");

    const after = { rows: await placementsOf(stores), rev: (await nodeOf(stores, "edge-a")).desiredRev };
    expect(after.rev).toBe(before.rev);
    expect(after.rows.map(({ id, generation, wanted }) => ({ id, generation, wanted }))).toEqual([
      { id: placement.id, generation: 1, wanted: "serve" },
    ]);
    expect(await messagesOf(stores)).not.toContain("too late");
  });

  it("is fenced when the lease ran out and nobody took it", async () => {
    const fence = await lead(stores);
    await expire();
    expect(
      await stores.plans.createPlacements(fence, [
        { placement: placementOn(await joinNode(stores, "edge-b")), event: event("late") },
      ]),
    ).toBe("fenced");
  });
});

describe("a takeover", () => {
  it("waits for a fenced write that is under way", async () => {
    await stores.leadership.acquire("r-1", 1);
    const writer = await connect(database.url);
    await writer.query("BEGIN");
    await writer.query("SELECT 1 FROM leadership FOR SHARE");
    const takeover = stores.leadership.acquire("r-2", 10_000);
    await untilSomebodyWaits(sql);
    await writer.query("COMMIT");
    expect(await takeover).toMatchObject({ holder: "r-2" });
    await writer.end();
  });
});
