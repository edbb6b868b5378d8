import type { NodeKind } from "../../../../shared/api/v1/nodes.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { NodeId } from "../../../../shared/base/ids.ts";
import type { JoinAttempt, JoinedNode } from "../../../ports/nodes.ts";
import type { Transaction } from "../database.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";

interface UsedToken {
  readonly kind: NodeKind;
  readonly site: string;
  readonly zone: string;
  readonly labels: string;
  /** The node that the token was used for with this key. */
  readonly usedBy: NodeId;
}

/**
 * Uses the token and makes the node in one transaction, so that a taken name costs no use. The token's row lock makes parallel
 * attempts wait for each other: as many win as it has uses, a repeat with the same key gets its node, others get null.
 */
export async function joinNode(tx: Transaction, attempt: JoinAttempt): Promise<JoinedNode | null> {
  const token = await useToken(tx, attempt);
  if (!token) return null;
  const { kind, site, zone, usedBy } = token;
  const earlier = await tx.node.findUnique({ where: { id: usedBy } });
  if (earlier) {
    if (earlier.revoked || earlier.name !== attempt.name) return null;
    return { nodeId: usedBy, generation: earlier.generation, kind, site, zone };
  }
  // The node that this token made is gone; the token stays used.
  if (usedBy !== attempt.newNodeId) return null;
  await insertNode(tx, attempt, token);
  return { nodeId: attempt.newNodeId, generation: 1, kind, site, zone };
}

/** The row lock of the token comes first: who counts its uses is alone. */
async function useToken(
  tx: Transaction,
  { tokenId, secretHash, publicKey, kind, name, newNodeId }: JoinAttempt,
): Promise<UsedToken | undefined> {
  const [token] = await tx.$queryRaw<(Omit<UsedToken, "usedBy"> & { readonly maxUses: number })[]>`
    SELECT kind, site, zone, labels::text AS labels, max_uses AS "maxUses" FROM join_tokens
    WHERE id = ${tokenId} AND secret_hash = ${secretHash} AND expires_at > now()
      AND kind = ${kind} AND (name IS NULL OR name = ${name})
    FOR UPDATE`;
  if (!token) return undefined;
  const uses = await tx.joinTokenUse.findMany({ where: { tokenId }, select: { publicKey: true, nodeId: true } });
  const earlier = uses.find((use) => use.publicKey === publicKey);
  if (earlier) return { ...token, usedBy: earlier.nodeId as NodeId };
  if (uses.length >= token.maxUses) return undefined;
  await tx.joinTokenUse.create({ data: { tokenId, publicKey, nodeId: newNodeId } });
  return { ...token, usedBy: newNodeId };
}

async function insertNode(
  tx: Transaction,
  { tokenId, newNodeId, name, publicKey, from }: JoinAttempt,
  token: UsedToken,
): Promise<void> {
  const { kind, site, zone, labels } = token;
  // A revoked node's row only remembers the name; the next node of that name starts anew.
  const replaced = await tx.node.deleteMany({ where: { name, revoked: true } });
  const inserted = await tx.$executeRaw`
    INSERT INTO nodes (id, name, kind, site, zone, labels, public_key)
    VALUES (${newNodeId}, ${name}, ${kind}, ${site}, ${zone}, ${labels}::jsonb, ${publicKey})
    ON CONFLICT (name) DO NOTHING`;
  if (inserted === 0)
    throw new SkerryError("NAME_TAKEN", `a node named ${name} exists: choose another name, or remove that node first`);
  const joiner = {
    name: `join-token/${tokenId}`,
    role: "operator",
    keyId: null,
    models: [],
    ...from,
  } as const;
  await audit(tx, joiner, { action: "node.join", target: `node/${name}`, detail: { nodeId: newNodeId, kind, site } });
  await appendEvents(tx, [], replaced.count > 0 ? "fleet" : { nodes: [newNodeId] });
}
