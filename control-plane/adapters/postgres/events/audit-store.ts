import { auditEntry, type AuditHead } from "../../../../shared/api/v1/events.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { AuditRecorder, AuditRow, AuditStore, Notable } from "../../../ports/access/audit.ts";
import type { Database } from "../database.ts";
import { audit } from "./audit.ts";

/** Reads what the other stores wrote beside their changes, and writes what had no change. */
export class PostgresAuditStore implements AuditStore, AuditRecorder {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** `before`: the id of the last row of the page before. */
  async list({ before, limit }: { before: string | null; limit: number }): Promise<readonly AuditRow[]> {
    if (before !== null && !/^\d{1,18}$/.test(before)) {
      throw new SkerryError("INVALID_REQUEST", `${JSON.stringify(before)} is not the id of an audit entry`);
    }
    const rows = await this.#database.run((client) =>
      client.auditEntry.findMany({
        ...(before !== null && { where: { id: { lt: BigInt(before) } } }),
        orderBy: { id: "desc" },
        take: limit,
      }),
    );
    return rows.map(({ id, at, ...row }) => auditEntry.parse({ ...row, id: String(id), at: at.toISOString() }));
  }

  async record({ actor, address, action, target, detail }: Notable): Promise<void> {
    const from = { name: actor, keyId: null, address, requestId: "" };
    await this.#database.transaction((tx) => audit(tx, from, { action, target, detail }));
  }

  async head(): Promise<AuditHead> {
    const [row] = await this.#database.run(
      (client) => client.$queryRaw<{ id: bigint; hash: string; newest: bigint }[]>`
        SELECT entry_id AS id, hash, (SELECT coalesce(max(id), 0) FROM audit_log) AS newest FROM audit_head`,
    );
    if (!row) throw new Error("the audit log has no head");
    return { id: String(row.id), hash: row.hash, newest: String(row.newest) };
  }
}
