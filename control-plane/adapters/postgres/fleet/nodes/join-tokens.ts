import type { JoinTokenInfo, NodeKind } from "../../../../../shared/api/v1/nodes/nodes.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import type { Actor } from "../../../../ports/access/audit.ts";
import type { Transaction } from "../../database.ts";
import { audit } from "../../events/audit.ts";
import { appendEvents } from "../../events/events.ts";

export interface NewJoinToken {
  readonly id: string;
  readonly secretHash: string;
  readonly kind: NodeKind;
  readonly site: string;
  readonly zone: string;
  readonly name: string | undefined;
  readonly labels: Record<string, string>;
  readonly ttlSeconds: number;
  readonly uses: number;
  readonly needsApproval?: boolean;
}

interface JoinTokenRow {
  readonly id: string;
  readonly kind: NodeKind;
  readonly site: string;
  readonly zone: string;
  readonly name: string | null;
  readonly expiresAt: Date;
  readonly maxUses: number;
  readonly needsApproval: boolean;
  readonly replaces: string | null;
  readonly uses: readonly { readonly nodeId: string; readonly usedAt: Date }[];
  readonly createdAt: Date;
}

/** The token's life is counted by the database's clock, which also judges the join. */
export async function createToken(tx: Transaction, token: NewJoinToken, actor: Actor): Promise<JoinTokenInfo> {
  const { id, secretHash, kind, site, zone, name, labels, ttlSeconds, uses, needsApproval = false } = token;
  const [row] = await tx.$queryRaw<Omit<JoinTokenRow, "uses">[]>`
    INSERT INTO join_tokens (id, secret_hash, kind, site, zone, name, labels, max_uses, needs_approval, expires_at)
    VALUES (${id}, ${secretHash}, ${kind}, ${site}, ${zone}, ${name ?? null}, ${JSON.stringify(labels)}::jsonb,
      ${uses}, ${needsApproval}, now() + ${ttlSeconds} * interval '1 second')
    RETURNING id, kind, site, zone, name, expires_at AS "expiresAt", max_uses AS "maxUses",
      needs_approval AS "needsApproval", replaces, created_at AS "createdAt"`;
  if (!row) throw new Error("an inserted row was not returned");
  await audit(tx, actor, {
    action: "join-token.create",
    target: `join-token/${id}`,
    detail: { kind, site, zone, name: name ?? null, ttlSeconds, uses, needsApproval },
  });
  const nodes = uses === 1 ? `${kind === "edge" ? "an edge" : "a cloud"} node` : `up to ${uses} ${kind} nodes`;
  const message = `${actor.name} made a join token for ${nodes} of site ${site}`;
  await appendEvents(
    tx,
    [{ type: "Normal", reason: "JoinTokenCreated", object: `join-token/${id}`, message }],
    "events",
  );
  return toJoinTokenInfo({ ...row, uses: [] });
}

export async function deleteToken(tx: Transaction, id: string, actor: Actor): Promise<void> {
  const deleted = await tx.joinToken.deleteMany({ where: { id } });
  if (deleted.count === 0) throw new SkerryError("NOT_FOUND", `there is no join token ${id}`);
  await audit(tx, actor, { action: "join-token.delete", target: `join-token/${id}` });
  const message = `${actor.name} deleted the join token ${id}`;
  await appendEvents(
    tx,
    [{ type: "Normal", reason: "JoinTokenDeleted", object: `join-token/${id}`, message }],
    "events",
  );
}

export function toJoinTokenInfo({
  id,
  kind,
  site,
  zone,
  name,
  expiresAt,
  maxUses,
  needsApproval,
  replaces,
  uses,
  createdAt,
}: JoinTokenRow): JoinTokenInfo {
  const last = uses.toSorted((a, b) => b.usedAt.getTime() - a.usedAt.getTime())[0];
  return {
    id,
    kind,
    site,
    zone,
    name,
    expiresAt: expiresAt.toISOString(),
    uses: maxUses,
    used: uses.length,
    needsApproval,
    replaces,
    usedAt: last?.usedAt.toISOString() ?? null,
    usedBy: last?.nodeId ?? null,
    createdAt: createdAt.toISOString(),
  };
}
