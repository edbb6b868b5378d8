import { z } from "zod";
import { role } from "../../../../shared/api/v1/access/keys.ts";
import type { SessionInfo } from "../../../../shared/api/v1/access/login.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Actor, KeyHolder, Requester } from "../../../ports/access/audit.ts";
import type { LoginStore, NewCode, NewSession, StoredSession } from "../../../ports/access/logins.ts";
import type { Database, Transaction } from "../database.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";

/** Sessions in browsers and the codes by which they begin: of a secret only its hash is here. What has ended is deleted. */
export class PostgresLoginStore implements LoginStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(id: string): Promise<StoredSession | null> {
    const [row] = await this.#database.run(
      (client) => client.$queryRaw<SessionRow[]>`
      SELECT id, key_id AS "keyId", person, secret_hash AS "secretHash", expires_at AS "expiresAt", idle_until AS "idleUntil",
        (extract(epoch FROM least(expires_at, idle_until) - now()) * 1000)::float8 AS "expiresInMs"
      FROM login_sessions WHERE id = ${id}`,
    );
    return row ? toStoredSession(row) : null;
  }

  open(session: NewSession, actor: KeyHolder): Promise<StoredSession> {
    const by = session.person === null ? "key" : "oidc";
    return this.#database.transaction((tx) => insert(tx, session, { actor, by }));
  }

  openByCode(
    code: { readonly id: string; readonly secretHash: string },
    session: NewSession,
    from: Requester,
  ): Promise<StoredSession | null> {
    return this.#database.transaction(async (tx) => {
      const [key] = await tx.$queryRaw<{ keyId: string; name: string }[]>`
        WITH used AS (
          DELETE FROM login_codes
          WHERE id = ${code.id} AND secret_hash = ${code.secretHash} AND expires_at > now() RETURNING key_id
        )
        SELECT id AS "keyId", name FROM api_keys JOIN used ON key_id = id
        WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`;
      return key ? insert(tx, session, { actor: { ...key, ...from }, by: "code" }) : null;
    });
  }

  async list(): Promise<readonly SessionInfo[]> {
    const rows = await this.#database.run(
      (client) => client.$queryRaw<ListedRow[]>`
      SELECT session.id, key_id AS "keyId", person IS NULL AS "isOfKey", coalesce(person ->> 'name', key.name) AS name,
        coalesce(person ->> 'role', key.role) AS role, session.expires_at AS "expiresAt", idle_until AS "idleUntil"
      FROM login_sessions AS session LEFT JOIN api_keys AS key ON key.id = key_id
      WHERE session.expires_at > now() AND idle_until > now()
        AND (person IS NOT NULL OR (key.revoked_at IS NULL AND (key.expires_at IS NULL OR key.expires_at > now())))`,
    );
    return rows.map(({ expiresAt, idleUntil, role: name, ...row }) => ({
      ...row,
      role: role.parse(name),
      expiresAt: expiresAt.toISOString(),
      idleUntil: idleUntil.toISOString(),
    }));
  }

  end(id: string, actor: Actor): Promise<void> {
    return this.#database.transaction(async (tx) => {
      const ended = await tx.$executeRaw`DELETE FROM login_sessions WHERE id = ${id}`;
      if (ended === 0) throw new SkerryError("NOT_FOUND", `there is no session ${id}`);
      await audit(tx, actor, { action: "session.end", target: `session/${id}` });
      await appendEvents(tx, [], "keys");
    });
  }

  async touch(id: string, idleMs: number): Promise<void> {
    await this.#database.run(
      (client) => client.$executeRaw`
      UPDATE login_sessions SET idle_until = now() + ${idleMs} * interval '1 ms'
      WHERE id = ${id} AND idle_until > now() AND idle_until < now() + ${idleMs - TOUCHED_MS} * interval '1 ms'`,
    );
  }

  createCode({ id, secretHash, lifeMs, maxPerKey }: NewCode, actor: KeyHolder): Promise<number> {
    return this.#database.transaction(async (tx) => {
      const [row] = await tx.$queryRaw<{ expiresAt: Date }[]>`
        INSERT INTO login_codes (id, key_id, secret_hash, expires_at)
        VALUES (${id}, ${actor.keyId}, ${secretHash}, now() + ${lifeMs} * interval '1 ms')
        RETURNING expires_at AS "expiresAt"`;
      if (!row) throw new Error("the code was not kept");
      await audit(tx, actor, { action: "session.code", target: `session/${id}` });
      await tx.$executeRaw`
        DELETE FROM login_codes WHERE expires_at <= now() OR id IN (
          SELECT id FROM login_codes WHERE key_id = ${actor.keyId}
          ORDER BY id = ${id} DESC, expires_at DESC OFFSET ${maxPerKey})`;
      return row.expiresAt.getTime();
    });
  }
}

/** A use that is younger than this is not written again, in ms. */
const TOUCHED_MS = 30_000;

/** The audit entry comes first: its lock makes openings follow each other, so that the bounds hold. */
async function insert(
  tx: Transaction,
  { id, person, secretHash, lifeMs, idleMs, maxPerKey, maxTotal }: NewSession,
  { actor, by }: { readonly actor: Requester & { readonly keyId: string; readonly name: string }; readonly by: string },
): Promise<StoredSession> {
  const { keyId } = actor;
  await audit(tx, actor, { action: "session.open", target: `session/${id}`, detail: { by } });
  const [row] = await tx.$queryRaw<Omit<SessionRow, "expiresInMs">[]>`
    INSERT INTO login_sessions (id, key_id, person, secret_hash, expires_at, idle_until)
    VALUES (${id}, ${keyId}, ${person === null ? null : JSON.stringify(person)}::jsonb, ${secretHash}, now() + ${lifeMs} * interval '1 ms', now() + ${idleMs} * interval '1 ms')
    RETURNING id, key_id AS "keyId", person, secret_hash AS "secretHash", expires_at AS "expiresAt", idle_until AS "idleUntil"`;
  if (!row) throw new Error("the session was not kept");
  await tx.$executeRaw`DELETE FROM login_sessions WHERE expires_at <= now() OR idle_until <= now()`;
  const ended = await tx.$executeRaw`
    DELETE FROM login_sessions WHERE id IN (
      SELECT id FROM login_sessions WHERE key_id = ${keyId}
      ORDER BY id = ${id} DESC, idle_until DESC OFFSET ${maxPerKey}
    ) OR id IN (SELECT id FROM login_sessions ORDER BY id = ${id} DESC, idle_until DESC OFFSET ${maxTotal})`;
  if (ended > 0) await appendEvents(tx, [], "keys");
  return toStoredSession({ ...row, expiresInMs: Math.min(lifeMs, idleMs) });
}

const storedPerson = z.object({ name: z.string(), role, models: z.array(z.string()) }).nullable();

interface SessionRow extends Omit<StoredSession, "expiresAt" | "idleUntil" | "person"> {
  readonly person: unknown;
  readonly expiresAt: Date;
  readonly idleUntil: Date;
}

interface ListedRow extends Omit<SessionInfo, "role" | "expiresAt" | "idleUntil"> {
  readonly role: string;
  readonly expiresAt: Date;
  readonly idleUntil: Date;
}

const toStoredSession = ({ expiresAt, idleUntil, person, ...row }: SessionRow): StoredSession => ({
  ...row,
  person: storedPerson.parse(person),
  expiresAt: expiresAt.getTime(),
  idleUntil: idleUntil.getTime(),
});
