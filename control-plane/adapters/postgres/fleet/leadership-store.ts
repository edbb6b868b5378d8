import type { LeaderFence, LeadershipStore } from "../../../ports/plan.ts";
import type { Database, Transaction } from "../database.ts";

/** There is one kind of leadership so far: who runs the control loop. */
const NAME = "control-loop";

/** The lease is one row; the database's clock alone says whether it has run out. */
export class PostgresLeadershipStore implements LeadershipStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** A lease that ran out is a new one even for its old holder: what it began before must not go on unnoticed. */
  async acquire(holder: string, leaseMs: number): Promise<LeaderFence | null> {
    const rows = await this.#database.run(
      (client) => client.$queryRaw<{ token: bigint }[]>`
        WITH lives AS (UPDATE control_plane_replicas SET last_seen_at = now() WHERE id = ${holder})
        INSERT INTO leadership AS lease (name, holder, token, expires_at)
        VALUES (${NAME}, ${holder}, 1, now() + ${leaseMs} * interval '1 millisecond')
        ON CONFLICT (name) DO UPDATE SET
          holder = excluded.holder,
          token = CASE WHEN lease.expires_at > now() THEN lease.token ELSE lease.token + 1 END,
          expires_at = excluded.expires_at
        WHERE lease.holder = excluded.holder OR lease.expires_at <= now()
        RETURNING token`,
    );
    return rows[0] ? { holder, token: rows[0].token } : null;
  }

  async release({ holder, token }: LeaderFence): Promise<void> {
    await this.#database.run(
      (client) => client.$executeRaw`
        UPDATE leadership SET expires_at = now() - interval '1 millisecond'
        WHERE name = ${NAME} AND holder = ${holder} AND token = ${token}`,
    );
  }
}

/**
 * True while `fence` holds the lease. The row stays locked for the rest of the transaction, so nobody can take the
 * lease over between this and the commit; a holder that was frozen meanwhile finds another token here.
 */
export async function holdsLease(tx: Transaction, { holder, token }: LeaderFence): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 AS held FROM leadership
    WHERE name = ${NAME} AND holder = ${holder} AND token = ${token} AND expires_at > now()
    FOR SHARE`;
  return rows.length === 1;
}
