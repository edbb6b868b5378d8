import type { NodeKind } from "../../../../../shared/api/v1/nodes/nodes.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import type { NodeId } from "../../../../../shared/base/ids.ts";
import type { JoinAttempt, JoinedNode } from "../../../../ports/nodes/nodes.ts";
import type { Transaction } from "../../database.ts";
import { audit } from "../../events/audit.ts";
import { appendEvents } from "../../events/events.ts";
import { replaceNode } from "./replace-node.ts";

/** Nodes that wait for an approval at once, and how long one may. */
const MAX_WAITING_NODES = 1_000;
/** Of one token: a stolen one with many uses must not keep all others from joining. */
const MAX_WAITING_PER_TOKEN = 250;
const WAITING_DAYS = 7;
const FULL_RETRY_MS = 60_000;

interface UsedToken {
  readonly kind: NodeKind;
  readonly site: string;
  readonly zone: string;
  readonly labels: string;
  readonly needsApproval: boolean;
  /** The node whose place is taken; null: the token makes a new one. */
  readonly replaces: NodeId | null;
  readonly replacesGeneration: number | null;
  /** The node that the token was used for with this key. */
  readonly usedBy: NodeId;
  /** It was not used with this key before. */
  readonly isFirstUse: boolean;
}

/**
 * Uses the token and makes the node in one transaction, so that a taken name costs no use. The token's row lock makes parallel
 * attempts wait for each other: as many win as it has uses, a repeat with the same key gets its node, others get null.
 */
export async function joinNode(tx: Transaction, attempt: JoinAttempt): Promise<JoinedNode | null> {
  const token = await useToken(tx, attempt);
  if (!token) return null;
  const { kind, site, zone, usedBy, needsApproval, replaces, replacesGeneration, isFirstUse } = token;
  if (isFirstUse && replaces !== null && replacesGeneration !== null)
    return replaceNode(tx, attempt, { id: replaces, generation: replacesGeneration });
  const earlier = await tx.node.findUnique({ where: { id: usedBy } });
  if (earlier) {
    // With a key that the node has no more, as another machine took its place, the answer would be of no use.
    const hasKey = [earlier.publicKey, earlier.previousKey].includes(attempt.publicKey);
    if (earlier.revoked || earlier.name !== attempt.name || !hasKey) return null;
    const isWaiting = earlier.waitingUntil !== null;
    return { nodeId: usedBy, generation: earlier.generation, kind, site, zone, ...(isWaiting && { isWaiting }) };
  }
  // The node that this token made is gone; the token stays used.
  if (usedBy !== attempt.newNodeId) return null;
  if (needsApproval) await requireRoomToWait(tx, attempt.tokenId);
  await insertNode(tx, attempt, token);
  return { nodeId: attempt.newNodeId, generation: 1, kind, site, zone, ...(needsApproval && { isWaiting: true }) };
}

/** The row lock of the token comes first: who counts its uses is alone. */
async function useToken(
  tx: Transaction,
  { tokenId, secretHash, publicKey, kind, name, newNodeId }: JoinAttempt,
): Promise<UsedToken | undefined> {
  const [token] = await tx.$queryRaw<(Omit<UsedToken, "usedBy" | "isFirstUse"> & { readonly maxUses: number })[]>`
    SELECT kind, site, zone, labels::text AS labels, max_uses AS "maxUses",
      needs_approval AS "needsApproval", replaces, replaces_generation AS "replacesGeneration" FROM join_tokens
    WHERE id = ${tokenId} AND secret_hash = ${secretHash} AND expires_at > now()
      AND kind = ${kind} AND (name IS NULL OR name = ${name})
    FOR UPDATE`;
  if (!token) return undefined;
  const uses = await tx.joinTokenUse.findMany({ where: { tokenId }, select: { publicKey: true, nodeId: true } });
  const earlier = uses.find((use) => use.publicKey === publicKey);
  if (earlier) return { ...token, usedBy: earlier.nodeId as NodeId, isFirstUse: false };
  if (uses.length >= token.maxUses) return undefined;
  const usedBy = token.replaces ?? newNodeId;
  await tx.joinTokenUse.create({ data: { tokenId, publicKey, nodeId: usedBy } });
  return { ...token, usedBy, isFirstUse: true };
}

/** One joins after the other, so that no two take the last place. */
async function requireRoomToWait(tx: Transaction, tokenId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('nodes-that-wait', 0))`;
  const [waiting = { all: 0, ofToken: 0 }] = await tx.$queryRaw<{ readonly all: number; readonly ofToken: number }[]>`
    SELECT count(*)::int AS all, count(*) FILTER (WHERE id IN
      (SELECT node_id FROM join_token_uses WHERE token_id = ${tokenId}))::int AS "ofToken"
    FROM nodes WHERE NOT revoked AND waiting_until IS NOT NULL`;
  const full =
    waiting.ofToken >= MAX_WAITING_PER_TOKEN
      ? `${waiting.ofToken} nodes with this join token`
      : waiting.all >= MAX_WAITING_NODES && `${waiting.all} nodes`;
  if (full === false) return;
  throw new SkerryError("TOO_MANY_WAITING", `${full} wait for an approval, and no more may`, {
    retryAfterMs: FULL_RETRY_MS,
  });
}

async function insertNode(
  tx: Transaction,
  { tokenId, newNodeId, name, publicKey, from }: JoinAttempt,
  token: UsedToken,
): Promise<void> {
  const { kind, site, zone, labels, needsApproval } = token;
  // A revoked node's row only remembers the name; the next node of that name starts anew.
  const replaced = await tx.node.deleteMany({ where: { name, revoked: true } });
  const inserted = await tx.$executeRaw`
    INSERT INTO nodes (id, name, kind, site, zone, labels, public_key, waiting_until, waiting_from)
    VALUES (${newNodeId}, ${name}, ${kind}, ${site}, ${zone}, ${labels}::jsonb, ${publicKey},
      CASE WHEN ${needsApproval} THEN now() + ${WAITING_DAYS} * interval '1 day' END,
      CASE WHEN ${needsApproval} THEN ${from.address} END)
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
  const detail = { nodeId: newNodeId, kind, site, ...(needsApproval && { publicKey, isWaiting: true }) };
  await audit(tx, joiner, { action: "node.join", target: `node/${name}`, detail });
  await appendEvents(tx, [], replaced.count > 0 ? "fleet" : { nodes: [newNodeId] });
}
