import { describe, expect, it } from "@jest/globals";
import pg from "pg";
import { startTestDatabase } from "../../support/postgres/postgres.ts";
import { SkerryCluster } from "../../support/processes/skerry-cluster.ts";
import { until } from "../../support/processes/skerry-process.ts";

/** Statements that wait for a lock, each with the moment of its start. */
const WAITING = "SELECT pid || ' ' || query_start AS statement FROM pg_stat_activity WHERE wait_event_type = 'Lock'";

/** What a start reads or writes after it has connected, in this order. */
const TABLES = ["settings", "control_plane_replicas", "api_keys"];

describe("a control plane whose database stops answering in the middle of its start", () => {
  it.each(TABLES)("waits for %s, and serves when it answers again", async (table) => {
    const database = await startTestDatabase();
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    await holder.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    const starting = SkerryCluster.start(database.url);
    try {
      const seen = new Set<string>();
      const isTriedAgain = async (): Promise<boolean> => {
        await holder.query("SELECT pg_stat_clear_snapshot()");
        const { rows } = await holder.query<{ statement: string }>(WAITING);
        for (const { statement } of rows) seen.add(statement);
        return seen.size > 1;
      };
      await Promise.race([until("the start tries again", isTriedAgain), starting]);
      expect(seen.size).toBeGreaterThan(1);
    } finally {
      await holder.end();
      const cluster = await starting.catch(() => undefined);
      await cluster?.stop();
      await database.stop();
    }
  });
});
