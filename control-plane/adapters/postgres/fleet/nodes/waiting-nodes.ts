import { SkerryError } from "../../../../../shared/base/errors.ts";
import type { NodeAdminStore } from "../../../../ports/nodes/nodes.ts";
import type { Transaction } from "../../database.ts";
import { audit } from "../../events/audit.ts";
import { appendEvents } from "../../events/events.ts";
import { requireVersion } from "../../row-version.ts";

interface Waiting {
  readonly id: string;
  readonly publicKey: string;
  readonly revoked: boolean;
  readonly rowVersion: number;
  readonly isWaiting: boolean;
  readonly isOverdue: boolean;
}

/** See `NodeAdminStore.approve`. */
export async function approveNode(
  tx: Transaction,
  name: string,
  { actor, ifMatch, publicKey, event }: Parameters<NodeAdminStore["approve"]>[1],
): Promise<void> {
  const node = await lockWaiting(tx, name, ifMatch);
  if (node.revoked) throw new SkerryError("CONFLICT", `${name} was rejected or removed: it has to join again`);
  if (publicKey !== undefined && publicKey !== node.publicKey)
    throw new SkerryError(
      "CONFLICT",
      `the key of ${name} is ${node.publicKey}, not ${publicKey}: it is another machine`,
    );
  if (!node.isWaiting) return;
  if (node.isOverdue) throw new SkerryError("CONFLICT", `${name} has waited for too long: it has to join again`);
  await tx.node.update({
    where: { name },
    data: { waitingUntil: null, waitingFrom: null, rowVersion: { increment: 1 } },
  });
  const detail = { nodeId: node.id, publicKey: node.publicKey };
  await audit(tx, actor, { action: "node.approve", target: `node/${name}`, detail });
  await appendEvents(tx, [event], { nodes: [node.id] });
}

/** See `NodeAdminStore.reject`. */
export async function rejectNode(
  tx: Transaction,
  name: string,
  { actor, ifMatch, event }: Parameters<NodeAdminStore["reject"]>[1],
): Promise<void> {
  const node = await lockWaiting(tx, name, ifMatch);
  if (!node.isWaiting || node.revoked)
    throw new SkerryError("CONFLICT", `${name} does not wait for an approval: remove it with DELETE`);
  await voidNode(tx, name);
  const detail = { nodeId: node.id, publicKey: node.publicKey };
  await audit(tx, actor, { action: "node.reject", target: `node/${name}`, detail });
  await appendEvents(tx, [event], { nodes: [node.id] });
}

/** Rejects nodes that nobody approved in time, `limit` at most, and returns how many. */
export async function rejectOverdueNodes(
  tx: Transaction,
  actor: Parameters<typeof audit>[1],
  limit: number,
): Promise<number> {
  const overdue = await tx.$queryRaw<{ id: string; name: string }[]>`
    SELECT id, name FROM nodes WHERE waiting_until < now() AND NOT revoked ORDER BY id LIMIT ${limit} FOR UPDATE`;
  for (const { id, name } of overdue) {
    await voidNode(tx, name);
    await audit(tx, actor, { action: "node.reject", target: `node/${name}`, detail: { nodeId: id, why: "overdue" } });
    const message = `nobody approved ${name} in time: it was rejected, and its key is void`;
    await appendEvents(tx, [{ type: "Warning", reason: "NodeRejected", object: `node/${name}`, message }], {
      nodes: [id],
    });
  }
  return overdue.length;
}

/** As of a node that was removed: it hears so when it dials, and the name is free. */
async function voidNode(tx: Transaction, name: string): Promise<void> {
  await tx.node.update({
    where: { name },
    data: { revoked: true, generation: { increment: 1 }, rowVersion: { increment: 1 } },
  });
}

async function lockWaiting(tx: Transaction, name: string, ifMatch: number | undefined): Promise<Waiting> {
  const [node] = await tx.$queryRaw<Waiting[]>`
    SELECT id, public_key AS "publicKey", revoked, row_version AS "rowVersion", waiting_until IS NOT NULL AS "isWaiting",
      coalesce(waiting_until < now(), false) AS "isOverdue"
    FROM nodes WHERE name = ${name} FOR NO KEY UPDATE`;
  if (!node) throw new SkerryError("NOT_FOUND", `there is no node ${name}`);
  requireVersion(`the node ${name}`, node.rowVersion, ifMatch);
  return node;
}
