import type { JoinTokenInfo, NodeKind } from "../../../../../shared/api/v1/nodes/nodes.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import type { NodeId } from "../../../../../shared/base/ids.ts";
import type { JoinAttempt, JoinedNode, NodeAdminStore } from "../../../../ports/nodes/nodes.ts";
import type { Transaction } from "../../database.ts";
import { audit } from "../../events/audit.ts";
import { appendEvents } from "../../events/events.ts";
import { toJoinTokenInfo } from "./join-tokens.ts";

type Row = Parameters<typeof toJoinTokenInfo>[0];

/** See `NodeAdminStore.createReplaceToken`. */
export async function createReplaceToken(
  tx: Transaction,
  ...[name, { id, secretHash, ttlSeconds }, { actor, why }]: Parameters<NodeAdminStore["createReplaceToken"]>
): Promise<JoinTokenInfo> {
  const [node] = await tx.$queryRaw<{ id: string; isWaiting: boolean; isPod: boolean }[]>`
    SELECT id, waiting_until IS NOT NULL AS "isWaiting", pod_uid IS NOT NULL AS "isPod"
    FROM nodes WHERE name = ${name} AND NOT revoked FOR NO KEY UPDATE`;
  if (!node) throw new SkerryError("NOT_FOUND", `there is no node ${name}: a new machine joins with an ordinary token`);
  if (node.isWaiting) throw new SkerryError("CONFLICT", `${name} waits for an approval: reject it instead`);
  if (node.isPod) throw new SkerryError("CONFLICT", `${name} is a pod: Kubernetes replaces it`);
  const [row] = await tx.$queryRaw<Omit<Row, "uses">[]>`
    INSERT INTO join_tokens (id, secret_hash, kind, site, zone, name, replaces, replaces_generation, expires_at)
    SELECT ${id}, ${secretHash}, kind, site, zone, name, id, generation, now() + ${ttlSeconds} * interval '1 second'
    FROM nodes WHERE id = ${node.id}
    RETURNING id, kind, site, zone, name, expires_at AS "expiresAt", max_uses AS "maxUses",
      needs_approval AS "needsApproval", replaces, created_at AS "createdAt"`;
  if (!row) throw new Error("an inserted row was not returned");
  const detail = { nodeId: node.id, why, ttlSeconds, token: id };
  await audit(tx, actor, { action: "node.replace-token", target: `node/${name}`, detail });
  const message = `${actor.name} made a token for a machine that takes the place of ${name}: ${why}`;
  await appendEvents(tx, [{ type: "Normal", reason: "JoinTokenCreated", object: `node/${name}`, message }], "events");
  return toJoinTokenInfo({ ...row, uses: [] });
}

/**
 * The joining machine becomes the node: the key is its own, the next generation voids the one before at once, and what was
 * placed there is wanted as before. Null when the node is another one by now: removed, or replaced already.
 */
export async function replaceNode(
  tx: Transaction,
  { tokenId, publicKey, from }: JoinAttempt,
  { id, generation }: { readonly id: NodeId; readonly generation: number },
): Promise<JoinedNode | null> {
  const [node] = await tx.$queryRaw<{ name: string; kind: NodeKind; site: string; zone: string; generation: number }[]>`
    UPDATE nodes SET public_key = ${publicKey}, key_made_at = now(), previous_key = NULL, previous_key_until = NULL,
      generation = generation + 1, row_version = row_version + 1, desired_rev = desired_rev + 1
    WHERE id = ${id} AND generation = ${generation} AND NOT revoked
    RETURNING name, kind, site, zone, generation`;
  if (!node) return null;
  const { name, ...is } = node;
  // What failed to load on the machine before says nothing of this one.
  await tx.versionHistory.updateMany({ where: { nodeId: id }, data: { loadFailures: 0 } });
  await tx.nodeSession.updateMany({ where: { nodeId: id }, data: { open: false } });
  const joiner = { name: `join-token/${tokenId}`, keyId: null, ...from };
  const detail = { nodeId: id, generation: is.generation, publicKey };
  await audit(tx, joiner, { action: "node.replace", target: `node/${name}`, detail });
  await appendEvents(tx, [], { nodes: [id] });
  return { nodeId: id, ...is, isReplacement: true };
}
