import { labelMap } from "../../../../shared/api/v1/common.ts";
import { role, type ApiKeyInfo, type KeyLimits } from "../../../../shared/api/v1/access/keys.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { type ApiKey, Prisma } from "../../../../prisma/generated/client.ts";
import type { GrantedDeployment } from "../../../core/access/decide.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import type { GoodKey, KeyStore, NewKey, Rotation, StoredKey } from "../../../ports/access/keys.ts";
import type { Database, Transaction } from "../database.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";

/** API keys: of a secret only its hash is here. */
export class PostgresKeyStore implements KeyStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(id: string): Promise<StoredKey | null> {
    const [row] = await this.#database.run(
      (client) => client.$queryRaw<KeyRow[]>`
        SELECT id, name, role, secret_hash AS "secretHash", revoked_at AS "revokedAt",
          (extract(epoch FROM expires_at - now()) * 1000)::float8 AS "expiresInMs",
          ${SCOPE}, ${LIMITS}
        FROM api_keys WHERE id = ${id}`,
    );
    return row ? toStoredKey(row) : null;
  }

  good(limit: number): Promise<readonly GoodKey[]> {
    return this.#database.run(
      (client) => client.$queryRaw<GoodKey[]>`
        SELECT id, role, secret_hash AS "secretHash", ${SCOPE}, ${LIMITS},
          (extract(epoch FROM expires_at) * 1000)::float8 AS "expiresAt",
          (extract(epoch FROM expires_at - now()) * 1000)::float8 AS "expiresInMs"
        FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) ORDER BY id LIMIT ${limit}`,
    );
  }

  async list(): Promise<readonly ApiKeyInfo[]> {
    const rows = await this.#database.run((client) =>
      client.apiKey.findMany({ orderBy: [{ createdAt: "asc" }, { id: "asc" }] }),
    );
    return rows.map(toApiKeyInfo);
  }

  create({ ttlMs, limits, ...key }: NewKey, actor: Actor): Promise<ApiKeyInfo> {
    return this.#database.transaction(async (tx) => {
      // Prisma would take this machine's clock.
      const now = await nowOf(tx);
      const times = { createdAt: new Date(now), expiresAt: ttlMs === null ? null : new Date(now + ttlMs) };
      const { id, name, role, models, modelLabels, deployments } = key;
      const lists = { models: [...models], modelLabels: { ...modelLabels }, deployments: [...deployments] };
      const row = await tx.apiKey.create({ data: { ...key, ...lists, ...limits, ...times } });
      await audit(tx, actor, {
        action: "api-key.create",
        target: `api-key/${id}`,
        detail: { name, role, ...lists, ...limits },
      });
      const message = `${actor.name} made the API key ${name} with the role ${role}`;
      await appendEvents(tx, [{ type: "Normal", reason: "ApiKeyCreated", object: `api-key/${id}`, message }], "keys");
      return toApiKeyInfo(row);
    });
  }

  rotate(id: string, { id: newId, secretHash, ttlMs, overlapMs }: Rotation, actor: Actor): Promise<ApiKeyInfo> {
    return this.#database.transaction(async (tx) => {
      const now = await nowOf(tx);
      await tx.$queryRaw`SELECT 1 FROM api_keys WHERE id = ${id} FOR UPDATE`;
      const old = await tx.apiKey.findUnique({ where: { id } });
      if (!old) throw new SkerryError("NOT_FOUND", `there is no API key ${id}`);
      const { name, role, models, modelLabels, deployments, expiresAt } = old;
      const { requestsPerMinute, concurrency, tokensPerMinute } = old;
      if (old.revokedAt !== null || (expiresAt !== null && expiresAt.getTime() <= now))
        throw new SkerryError("CONFLICT", `the API key ${id} is void: make a new one`);
      if (old.successorId !== null)
        throw new SkerryError(
          "CONFLICT",
          `the API key ${id} was rotated already: rotate its successor ${old.successorId}`,
        );
      const lifeMs = ttlMs ?? (expiresAt === null ? null : expiresAt.getTime() - old.createdAt.getTime());
      const row = await tx.apiKey.create({
        data: {
          id: newId,
          secretHash,
          name,
          role,
          models,
          modelLabels: modelLabels ?? {},
          deployments,
          requestsPerMinute,
          concurrency,
          tokensPerMinute,
          createdAt: new Date(now),
          expiresAt: lifeMs === null ? null : new Date(now + lifeMs),
        },
      });
      const endsAt = Math.min(now + overlapMs, expiresAt?.getTime() ?? Infinity);
      await tx.apiKey.update({ where: { id }, data: { successorId: newId, expiresAt: new Date(endsAt) } });
      const detail = { name, successor: newId, goodUntil: new Date(endsAt).toISOString() };
      await audit(tx, actor, { action: "api-key.rotate", target: `api-key/${id}`, detail });
      const message = `${actor.name} rotated the API key ${name}; the old one ends ${detail.goodUntil}`;
      await appendEvents(tx, [{ type: "Normal", reason: "ApiKeyRotated", object: `api-key/${id}`, message }], "keys");
      return toApiKeyInfo(row);
    });
  }

  /** Revoking a revoked key changes nothing. */
  revoke(id: string, actor: Actor): Promise<void> {
    return this.#database.transaction(async (tx) => {
      // All of them are locked, so that two admins cannot revoke each other's key at the same moment.
      const admins = await tx.$queryRaw<{ id: string }[]>`
        SELECT id FROM api_keys
        WHERE role = 'admin' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        ORDER BY id FOR UPDATE`;
      if (admins.length === 1 && admins[0]?.id === id)
        throw new SkerryError("CONFLICT", `${id} is the last admin key: make another admin key before you revoke it`);
      const [row] = await tx.$queryRaw<{ name: string; isRevoked: boolean }[]>`
        SELECT name, revoked_at IS NOT NULL AS "isRevoked" FROM api_keys WHERE id = ${id} FOR UPDATE`;
      if (!row) throw new SkerryError("NOT_FOUND", `there is no API key ${id}`);
      if (row.isRevoked) return;
      await tx.$executeRaw`UPDATE api_keys SET revoked_at = now() WHERE id = ${id}`;
      await audit(tx, actor, { action: "api-key.revoke", target: `api-key/${id}`, detail: { name: row.name } });
      const message = `${actor.name} revoked the API key ${row.name}`;
      await appendEvents(tx, [{ type: "Normal", reason: "ApiKeyRevoked", object: `api-key/${id}`, message }], "keys");
    });
  }

  async touch(id: string): Promise<void> {
    await this.#database.run(
      (client) => client.$executeRaw`
        UPDATE api_keys SET last_used_at = now()
        WHERE id = ${id} AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`,
    );
  }

  async isEmpty(): Promise<boolean> {
    return (await this.#database.run((client) => client.apiKey.findFirst({ select: { id: true } }))) === null;
  }
}

/** The models that a key names or that have its labels, and the deployments that it names and that exist. */
const SCOPE = Prisma.sql`
  models || ARRAY(
    SELECT name FROM models AS model
    WHERE api_keys.model_labels <> '{}' AND model.labels @> api_keys.model_labels AND model.name <> ALL (api_keys.models)
    ORDER BY name) AS models,
  (SELECT coalesce(json_agg(json_build_object('name', name, 'model', spec ->> 'model') ORDER BY name), '[]')
    FROM deployments WHERE name = ANY (api_keys.deployments)) AS deployments`;

const LIMITS = Prisma.sql`
  json_build_object('requestsPerMinute', requests_per_minute, 'concurrency', concurrency,
    'tokensPerMinute', tokens_per_minute) AS limits`;

interface KeyRow extends Pick<ApiKey, "id" | "name" | "role" | "models" | "secretHash" | "revokedAt"> {
  readonly deployments: readonly GrantedDeployment[];
  readonly limits: KeyLimits;
  readonly expiresInMs: number | null;
}

const toStoredKey = ({ role: text, revokedAt, ...row }: KeyRow): StoredKey => ({
  ...row,
  role: role.parse(text),
  revokedAt: revokedAt?.getTime() ?? null,
});

/** The database's clock, in ms since 1970. */
async function nowOf(tx: Transaction): Promise<number> {
  const [row] = await tx.$queryRaw<{ now: Date }[]>`SELECT now() AS now`;
  if (!row) throw new Error("the database told no time");
  return row.now.getTime();
}

function toApiKeyInfo({
  id,
  name,
  role: text,
  models,
  modelLabels,
  deployments,
  requestsPerMinute,
  concurrency,
  tokensPerMinute,
  successorId,
  createdAt,
  expiresAt,
  lastUsedAt,
  revokedAt,
}: ApiKey): ApiKeyInfo {
  return {
    id,
    name,
    role: role.parse(text),
    models,
    modelLabels: labelMap.parse(modelLabels),
    deployments,
    limits: { requestsPerMinute, concurrency, tokensPerMinute },
    successor: successorId,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
  };
}
