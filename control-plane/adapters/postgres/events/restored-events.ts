import type pg from "pg";

/**
 * After a dump was restored on another server, events carry transaction numbers that this server has yet to reach: they
 * would be held back, and new ones would be sorted before them. Then all that are there get number 0, which keeps their
 * order. Costs one look into an index when all is well.
 */
export async function settleRestoredEvents(client: pg.Client): Promise<void> {
  await client.query(`
    UPDATE events SET tx = 0
    WHERE EXISTS (SELECT 1 FROM events WHERE tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)`);
}
