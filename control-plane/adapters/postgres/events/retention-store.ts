import type { Retention, RetentionStore } from "../../../ports/retention.ts";
import type { Database } from "../database.ts";

/** Rows of one statement: it takes milliseconds and holds no lock for long. */
const BATCH = 1_000;

/** Deletes what is past its time, by the database's clock. */
export class PostgresRetentionStore implements RetentionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async sweep({ eventDays, auditDays, leftoverDays }: Retention): Promise<number> {
    const events = await this.#database.run(
      (client) => client.$executeRaw`
        DELETE FROM events WHERE ctid IN (
          SELECT ctid FROM events WHERE at < now() - ${eventDays} * interval '1 day' ORDER BY at LIMIT ${BATCH})`,
    );
    const leftovers = await this.#leftovers(leftoverDays);
    if (auditDays === 0) return events + leftovers;
    const audit = await this.#database.transaction(async (tx) => {
      // The trigger that keeps the log append-only lets through what says that it is this sweep.
      await tx.$executeRaw`SELECT set_config('skerry.retention', 'on', true)`;
      return tx.$executeRaw`
        DELETE FROM audit_log WHERE id IN (
          SELECT id FROM audit_log WHERE at < now() - ${auditDays} * interval '1 day' ORDER BY id LIMIT ${BATCH})`;
    });
    return events + leftovers + audit;
  }

  async #leftovers(days: number): Promise<number> {
    const tokens = await this.#database.run(
      (client) => client.$executeRaw`
        DELETE FROM join_tokens WHERE id IN (
          SELECT id FROM join_tokens WHERE expires_at < now() - ${days} * interval '1 day' LIMIT ${BATCH})`,
    );
    const versions = await this.#database.run(
      (client) => client.$executeRaw`
        UPDATE model_versions SET state = 'archived', files = '[]'::jsonb WHERE ctid IN (
          SELECT ctid FROM model_versions
          WHERE state = 'rejected' AND created_at < now() - ${days} * interval '1 day' LIMIT ${BATCH})`,
    );
    return tokens + versions;
  }
}
