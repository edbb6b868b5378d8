import type pg from "pg";

/** What a server needs so that the statements of a benchmark can be counted. */
export const COUNTING = { shared_preload_libraries: "pg_stat_statements", "pg_stat_statements.max": "10000" };

const OF_DATABASE = "FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid WHERE d.datname = $1";

/** Statements of any kind that were run in a database, BEGIN and COMMIT included. */
export async function statementsOf(client: pg.Client, database: string): Promise<number> {
  const { rows } = await client.query<{ calls: string }>(`SELECT coalesce(sum(calls), 0) AS calls ${OF_DATABASE}`, [
    database,
  ]);
  return Number(rows[0]?.calls ?? 0);
}

/** The statements that were run in a database, the most frequent first. */
export async function printStatements(client: pg.Client, database: string): Promise<void> {
  const { rows } = await client.query<{ calls: string; ms: string; query: string }>(
    `SELECT calls, round(total_exec_time::numeric) AS ms, query ${OF_DATABASE} ORDER BY calls DESC`,
    [database],
  );
  for (const { calls, ms, query } of rows)
    console.log(`${calls.padStart(6)} ${ms.padStart(6)} ms  ${query.replaceAll(/\s+/g, " ").slice(0, 140)}`);
}
