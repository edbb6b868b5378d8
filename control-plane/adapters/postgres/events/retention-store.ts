import { Prisma } from "../../../../prisma/generated/client.ts";
import { CUT } from "../../../../shared/api/v1/access/audit-chain.ts";
import type { LeaderFence } from "../../../ports/plan.ts";
import type { Retention, RetentionStore } from "../../../ports/retention.ts";
import type { Database, Transaction } from "../database.ts";
import { audit } from "./audit.ts";
import { holdsLease } from "../fleet/leadership-store.ts";
import { rejectOverdueNodes } from "../fleet/nodes/waiting-nodes.ts";

/** Rows of one statement: it takes milliseconds and holds no lock for long. */
const BATCH = 1_000;
/** Each has an entry of the audit log, whose head is locked meanwhile. */
const OVERDUE_NODES = 100;

/** Deletes what is past its time, by the database's clock. */
export class PostgresRetentionStore implements RetentionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async sweep(fence: LeaderFence, { eventDays, auditDays, leftoverDays }: Retention): Promise<number> {
    const deletions = [eventsBefore(eventDays), tokensBefore(leftoverDays), versionsBefore(leftoverDays)];
    let deleted = 0;
    // A transaction for each: no lock is held for long.
    for (const deletion of deletions)
      deleted += await this.#database.transaction(async (tx) => {
        if (!(await holdsLease(tx, fence))) return 0;
        return tx.$executeRaw(deletion);
      });
    deleted += await this.#database.transaction(async (tx) =>
      (await holdsLease(tx, fence)) ? rejectOverdueNodes(tx, RETENTION, OVERDUE_NODES) : 0,
    );
    if (auditDays === 0) return deleted;
    return (
      deleted +
      (await this.#database.transaction(async (tx) => ((await holdsLease(tx, fence)) ? cutAudit(tx, auditDays) : 0)))
    );
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

const RETENTION = { name: "retention", keyId: null, address: "", requestId: "" };

/**
 * Deletes the oldest entries of the audit log and says so in the newest, by which the chain is known to begin later. Entries
 * are in the order of their time. A day more than `days` pass before entries go, or a thousand are due: each cut is an entry.
 */
async function cutAudit(tx: Transaction, days: number): Promise<number> {
  const rows = await tx.$queryRaw<{ id: bigint; hash: string | null; daysOver: number }[]>`
    SELECT id, hash, (extract(epoch FROM now() - at) / 86400)::float8 - ${days}::float8 AS "daysOver"
    FROM audit_log ORDER BY id LIMIT ${BATCH}`;
  const end = rows.findIndex(({ daysOver }) => daysOver < 0);
  const due = end === -1 ? rows : rows.slice(0, end);
  const [oldest, last] = [due[0], due.at(-1)];
  if (oldest === undefined || last === undefined || (oldest.daysOver < 1 && due.length < BATCH)) return 0;
  const through = String(last.id);
  if (last.hash !== null)
    await audit(tx, RETENTION, { action: CUT, target: "audit-log", detail: { through, hash: last.hash, days } });
  const [cut] = await tx.$queryRaw<{ deleted: bigint }[]>`SELECT cut_audit_log(${last.id}) AS deleted`;
  return Number(cut?.deleted ?? 0);
}
