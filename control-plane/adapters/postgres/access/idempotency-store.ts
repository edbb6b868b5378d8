import type { IdempotencyStore } from "../../../ports/idempotency.ts";
import type { Database } from "../database.ts";

/** Status of a claim whose work is under way. */
const UNDER_WAY = 0;
const LIFE = "24 hours";
/** A process that claimed the key and has not answered by now has crashed: its request is past its own deadline. */
const ABANDONED = "60 seconds";
const SWEEP_MS = 3_600_000;

type Claim = Awaited<ReturnType<IdempotencyStore["begin"]>>;

/** First answers to POSTs, so that a repeated one gets the same answer and no second effect. */
export class PostgresIdempotencyStore implements IdempotencyStore {
  readonly #database: Database;
  #sweptAt = -Infinity;

  constructor(database: Database) {
    this.#database = database;
  }

  async begin(keyId: string, key: string, requestHash: string): Promise<Claim> {
    await this.#sweep();
    return this.#database.transaction(async (tx) => {
      const claimed = await tx.$executeRaw`
        INSERT INTO idempotent_replies AS r (key_id, key, request_hash, status, body)
        VALUES (${keyId}, ${key}, ${requestHash}, ${UNDER_WAY}, 'null'::json)
        ON CONFLICT (key_id, key) DO UPDATE SET
          request_hash = excluded.request_hash, status = excluded.status, body = excluded.body, created_at = now()
        WHERE r.created_at < now() - ${LIFE}::interval
          OR (r.status = ${UNDER_WAY} AND r.request_hash = excluded.request_hash AND r.created_at < now() - ${ABANDONED}::interval)`;
      if (claimed === 1) return { kind: "new" };
      // The conflict locked the row, so it is still there.
      const {
        requestHash: first,
        status,
        body,
      } = await tx.idempotentReply.findUniqueOrThrow({ where: { keyId_key: { keyId, key } } });
      if (first !== requestHash) return { kind: "mismatch" };
      return status === UNDER_WAY ? { kind: "busy" } : { kind: "done", status, body };
    });
  }

  async finish(keyId: string, key: string, { status, body }: { status: number; body: unknown }): Promise<void> {
    await this.#database.run(
      (client) => client.$executeRaw`
        UPDATE idempotent_replies SET status = ${status}, body = ${JSON.stringify(body ?? null)}::json
        WHERE key_id = ${keyId} AND key = ${key} AND status = ${UNDER_WAY}`,
    );
  }

  async abandon(keyId: string, key: string): Promise<void> {
    await this.#database.run((client) =>
      client.idempotentReply.deleteMany({ where: { keyId, key, status: UNDER_WAY } }),
    );
  }

  /** Every hour, along with a claim, what is past its life goes. */
  async #sweep(): Promise<void> {
    const now = performance.now();
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    await this.#database.run(
      (client) => client.$executeRaw`DELETE FROM idempotent_replies WHERE created_at < now() - ${LIFE}::interval`,
    );
  }
}
