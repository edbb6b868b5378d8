import { Prisma } from "../../../../prisma/generated/client.ts";
import type { LeaderFence } from "../../../ports/plan.ts";
import type { Retention, RetentionStore } from "../../../ports/retention.ts";
import type { Database } from "../database.ts";
import { holdsLease } from "../fleet/leadership-store.ts";

/** Rows of one statement: it takes milliseconds and holds no lock for long. */
const BATCH = 1_000;

/** Deletes what is past its time, by the database's clock. */
export class PostgresRetentionStore implements RetentionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async sweep(fence: LeaderFence, { eventDays, auditDays, leftoverDays }: Retention): Promise<number> {
    const deletions = [
      eventsBefore(eventDays),
      tokensBefore(leftoverDays),
      versionsBefore(leftoverDays),
      ...(auditDays === 0 ? [] : [auditBefore(auditDays)]),
    ];
    let deleted = 0;
    // A transaction for each: no lock is held for long.
    for (const deletion of deletions)
      deleted += await this.#database.transaction(async (tx) => {
        if (!(await holdsLease(tx, fence))) return 0;
        // The trigger that keeps the audit log append-only lets through what says that it is this sweep.
        await tx.$executeRaw`SELECT set_config('skerry.retention', 'on', true)`;
        return tx.$executeRaw(deletion);
      });
    return deleted;
  }
}

const eventsBefore = (days: number): Prisma.Sql => Prisma.sql`
  DELETE FROM events WHERE ctid IN (
    SELECT ctid FROM events WHERE at < now() - ${days} * interval '1 day' ORDER BY at LIMIT ${BATCH})`;

const tokensBefore = (days: number): Prisma.Sql => Prisma.sql`
  DELETE FROM join_tokens WHERE id IN (
    SELECT id FROM join_tokens WHERE expires_at < now() - ${days} * interval '1 day' LIMIT ${BATCH})`;

const versionsBefore = (days: number): Prisma.Sql => Prisma.sql`
  UPDATE model_versions SET state = 'archived', files = '[]'::jsonb WHERE ctid IN (
    SELECT ctid FROM model_versions
    WHERE state = 'rejected' AND created_at < now() - ${days} * interval '1 day' LIMIT ${BATCH})`;

const auditBefore = (days: number): Prisma.Sql => Prisma.sql`
  DELETE FROM audit_log WHERE id IN (
    SELECT id FROM audit_log WHERE at < now() - ${days} * interval '1 day' ORDER BY id LIMIT ${BATCH})`;
