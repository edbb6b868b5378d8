import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type pg from "pg";
import { connect, untilSomebodyWaits } from "../../integration/postgres/fixture.ts";
import { startTestDatabase, type TestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";

let database: TestDatabase;
let cluster: SkerryCluster;
let sql: pg.Client;
/** Holds locks. */
let other: pg.Client;

beforeAll(async () => {
  database = await startTestDatabase();
  [sql, other] = [await connect(database.url), await connect(database.url)];
  cluster = await SkerryCluster.start(database.url);
}, 120_000);
afterAll(async () => {
  await cluster?.stop();
  await Promise.all([sql?.end(), other?.end()]);
  await database?.stop();
});

async function killed(): Promise<void> {
  await cluster.controlPlane.kill();
  cluster.restartControlPlane();
  await cluster.whenControlPlaneReady();
}

interface Counts {
  readonly rows: number;
  readonly entries: number;
}

/** Models and tokens whose names begin so, and the entries of the audit log about them. */
async function countsOf(prefix: string): Promise<Counts> {
  const { rows } = await sql.query<Counts>(
    `SELECT ((SELECT count(*) FROM models WHERE name LIKE $1) + (SELECT count(*) FROM join_tokens WHERE name LIKE $1))::int AS rows,
      (SELECT count(*) FROM audit_log WHERE target LIKE 'model/' || $1
        OR (action = 'join-token.create' AND detail ->> 'name' LIKE $1))::int AS entries`,
    [`${prefix}%`],
  );
  return rows[0] ?? { rows: -1, entries: -1 };
}

const change = (resource: string, body: object): Promise<unknown> =>
  cluster.request("POST", resource, body).catch(() => undefined);

describe("a control plane that is killed between a change and its audit entry", () => {
  it.each([
    ["a model", "/models", { name: "held-a" }],
    ["a join token", "/join-tokens", { name: "held-b" }],
  ])(
    "leaves neither of them: %s",
    async (_what, resource, body) => {
      await other.query("BEGIN");
      await other.query("SELECT * FROM audit_head FOR UPDATE");
      // The row is written; its entry waits for the head of the log.
      const asked = change(resource, body);
      await untilSomebodyWaits(sql);
      await cluster.controlPlane.kill();
      await other.query("ROLLBACK");
      await asked;
      cluster.restartControlPlane();
      await cluster.whenControlPlaneReady();
      expect(await countsOf(body.name)).toEqual({ rows: 0, entries: 0 });
      await cluster.request("POST", resource, body);
      expect(await countsOf(body.name)).toEqual({ rows: 1, entries: 1 });
    },
    60_000,
  );

  it("leaves as many changes as entries, whenever it is killed", async () => {
    for (let round = 0; round < 3; round += 1) {
      const prefix = `storm-${round}-`;
      const before = await countsOf(prefix);
      const asked = Array.from({ length: 60 }, (_, index) => change("/models", { name: `${prefix}${index}` }));
      // Some are written, some under way, some have not begun.
      await Promise.race(asked.slice(5 + 10 * round));
      await killed();
      await Promise.all(asked);
      const { rows, entries } = await countsOf(prefix);
      expect([before, rows]).toEqual([{ rows: 0, entries: 0 }, entries]);
    }
  }, 180_000);

  it("leaves a chain that holds", async () => {
    const { rows } = await sql.query<{ broken: number }>(
      `SELECT count(*)::int AS broken FROM audit_log AS entry
       LEFT JOIN audit_log AS earlier ON earlier.id = entry.id - 1
       WHERE entry.id > 1 AND entry.prev IS DISTINCT FROM earlier.hash`,
    );
    expect(rows).toEqual([{ broken: 0 }]);
  });
});
