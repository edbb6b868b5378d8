import { keyLimits } from "../../../../shared/api/v1/access/keys.ts";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import type { PostgresStores } from "../../../../control-plane/adapters/postgres/postgres.ts";
import { startTestDatabase, type TestDatabase } from "../../../support/postgres/postgres.ts";
import {
  alice,
  checkedModel,
  connect,
  event,
  joinNode,
  lead,
  openingOf,
  openStores,
  placementOn,
  readyVersion,
  specOf,
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

describe("load", () => {
  it("gives empty rows of an empty database", async () => {
    expect(await stores.fleet.load(0)).toEqual({
      nodes: [],
      deployments: [],
      versions: [],
      aliases: [],
      placements: [],
    });
  });

  it("converts instants to the caller's clock, and keeps the calendar for what was created", async () => {
    const wall = Date.now();
    const nodeId = await joinNode(stores, "edge-a");
    await stores.sessions.open(openingOf(nodeId));
    await readyVersion(stores);
    await stores.deployments.put(specOf("digits"), { actor: alice, ifMatch: undefined });
    await stores.plans.createPlacements(await lead(stores), [
      { placement: placementOn(nodeId), event: event("placed") },
    ]);
    await sql.query("UPDATE node_sessions SET last_seen_at = now() - interval '10 seconds'");
    await sql.query(
      "UPDATE placements SET decided_at = now() - interval '1 hour', state_since = now() - interval '1 minute'",
    );
    const { nodes, deployments, placements } = await stores.fleet.load(5_000_000);
    // As far as the statements above took.
    const withinMs = 1_000 + (Date.now() - wall);
    const near = (value: number | undefined, expected: number) =>
      expect(Math.abs((value ?? 0) - expected)).toBeLessThan(withinMs);
    near(nodes[0]?.session?.lastSeen, 4_990_000);
    near(placements[0]?.decidedAt, 1_400_000);
    near(placements[0]?.stateSince, 4_940_000);
    near(nodes[0]?.createdAt, wall);
    near(deployments[0]?.createdAt, wall);
  });

  it("gives the signature, artifact and size of a version", async () => {
    const { inputs, outputs, artifact } = checkedModel("digits", 1);
    expect((await stores.fleet.load(0)).versions).toMatchObject([
      {
        model: "digits",
        version: 1,
        state: "ready",
        artifact,
        bytes: 7,
        opset: 17,
        irVersion: 8,
        inputs,
        outputs,
        createdAt: expect.any(Number),
      },
    ]);
  });

  it("gives the rows of what is named as it gives them with all others, to the last digit", async () => {
    await sql.query(
      'UPDATE node_sessions SET load = \'{"cpuPct":3,"memFreeMiB":1,"diskFreeMiB":1,"rttMs":0.1234567890123,"rif":0}\'',
    );
    await sql.query("INSERT INTO aliases (model_name, alias, version) VALUES ('digits', 'champion', 1)");
    const now = 5_000_000;
    const all = await stores.fleet.load(now);
    const nodes = all.nodes.map(({ id }) => id);
    expect([all.nodes.length, all.placements.length, all.aliases.length]).toEqual([1, 1, 1]);
    expect(await stores.fleet.load(now, { nodes, deployments: ["digits"], models: ["digits"] })).toEqual(all);
    const nothing = { nodes: [], deployments: [], versions: [], aliases: [], placements: [] };
    expect(await stores.fleet.load(now, { nodes })).toEqual({
      ...nothing,
      nodes: all.nodes,
      placements: all.placements,
    });
    expect(await stores.fleet.load(now, { nodes: ["n-none"], models: ["none"] })).toEqual(nothing);
    await sql.query("DELETE FROM aliases");
  });

  it("gives an unchanged spec and record as the same object, a changed one anew", async () => {
    const before = await stores.fleet.load(0);
    const same = await stores.fleet.load(0);
    expect(same.deployments[0]?.spec).toBe(before.deployments[0]?.spec);
    expect(same.placements[0]?.explain).toBe(before.placements[0]?.explain);
    expect(same.nodes[0]?.capabilities).toBe(before.nodes[0]?.capabilities);
    await stores.deployments.put(specOf("digits", { version: 2 }), { actor: alice, ifMatch: undefined });
    expect((await stores.fleet.load(0)).deployments[0]?.spec.version).toBe(2);
  });

  it("reads the records of more placements than one read takes, and forgets those that went", async () => {
    await sql.query(`INSERT INTO placements (id, model_name, version, node_id, explain)
      SELECT 'p-many-' || n, 'digits', 1, nodes.id, jsonb_set(explain, '{id}', to_jsonb('x-' || n))
      FROM generate_series(1, 250) AS n, nodes, placements`);
    const { placements } = await stores.fleet.load(0);
    expect(placements).toHaveLength(251);
    for (const { id, explain } of placements)
      if (id.startsWith("p-many-")) expect(explain.id).toBe(id.replace("p-many-", "x-"));
    await sql.query("DELETE FROM placements WHERE id LIKE 'p-many-%'");
    expect((await stores.fleet.load(0)).placements).toHaveLength(1);
  });

  it("reads the same instants whatever time zone the server lives in", async () => {
    await sql.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET TimeZone = 'Asia/Kolkata'`);
    const elsewhere = await openStores(database.url);
    expect(await elsewhere.catalog.getModel("digits")).toEqual(await stores.catalog.getModel("digits"));
    const ttlMs = 86_400_000;
    await elsewhere.keys.create(
      {
        id: "k",
        name: "k",
        secretHash: "",
        role: "viewer",
        models: [],
        modelLabels: {},
        deployments: [],
        limits: keyLimits.parse({}),
        ttlMs,
      },
      alice,
    );
    const { expiresInMs } = (await stores.keys.find("k")) ?? {};
    expect(expiresInMs).toBeGreaterThan(ttlMs - 60_000);
    expect(expiresInMs).toBeLessThanOrEqual(ttlMs);
    await elsewhere.close();
  });
});

describe("the id of the installation", () => {
  it("is made once and the same for every replica", async () => {
    const other = await openStores(database.url);
    const ids = await Promise.all([stores.controlPlaneId(), other.controlPlaneId(), stores.controlPlaneId()]);
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^cp-[0-9a-z]{10}$/);
    await other.close();
  });
});
