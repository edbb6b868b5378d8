import pg from "pg";

const ANSWER_MS = 3_000;

/** What a start has to know of the database before it begins: nothing there is changed. Null: nobody answers. */
export async function databaseFacts(
  url: string,
  keyId: string | undefined,
): Promise<{ readonly now: number; readonly hasKeyBesideOther: boolean } | null> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: ANSWER_MS,
    query_timeout: ANSWER_MS,
    application_name: "skerry start",
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ now: number; hasKeys: boolean }>(
      `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now, to_regclass('api_keys') IS NOT NULL AS "hasKeys"`,
    );
    const { now = NaN, hasKeys = false } = rows[0] ?? {};
    if (!hasKeys || keyId === undefined) return { now, hasKeyBesideOther: false };
    const admins = await client.query<{ id: string }>(
      `SELECT id FROM api_keys WHERE role = 'admin' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
    );
    const ids = admins.rows.map(({ id }) => id);
    return { now, hasKeyBesideOther: ids.includes(keyId) && ids.length > 1 };
  } catch {
    return null;
  } finally {
    await client.end().catch(() => undefined);
  }
}
