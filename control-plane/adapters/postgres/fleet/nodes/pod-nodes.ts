import { SkerryError } from "../../../../../shared/base/errors.ts";
import type { NodeId } from "../../../../../shared/base/ids.ts";
import type { NewEvent } from "../../../../ports/events.ts";
import type { JoinedNode, PodJoinAttempt, PodNode, PodNodeStore } from "../../../../ports/nodes/nodes.ts";
import { KUBERNETES } from "../../../../ports/access/audit.ts";
import type { LeaderFence } from "../../../../ports/plan.ts";
import type { Database, Transaction } from "../../database.ts";
import { audit } from "../../events/audit.ts";
import { appendEvents } from "../../events/events.ts";
import { holdsLease } from "../leadership-store.ts";

/** Rows of nodes that are pods. */
export class PostgresPodNodeStore implements PodNodeStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  joinPod(attempt: PodJoinAttempt): Promise<JoinedNode | null> {
    return this.#database.transaction((tx) => joinPod(tx, attempt));
  }

  async podNodes(): Promise<readonly PodNode[]> {
    const rows = await this.#database.run((client) =>
      client.node.findMany({ where: { podUid: { not: null } }, select: { name: true, podUid: true } }),
    );
    return rows.map(({ name, podUid }) => ({ name, podUid: podUid ?? "" }));
  }

  removePodNode(fence: LeaderFence, node: PodNode, event: NewEvent): Promise<void> {
    return this.#database.transaction(async (tx) => {
      if (await holdsLease(tx, fence)) await removePodNode(tx, node, event);
    });
  }
}

async function joinPod(tx: Transaction, attempt: PodJoinAttempt): Promise<JoinedNode | null> {
  const { podUid, name, site, zone, labels, publicKey, newNodeId, from } = attempt;
  const joined = { kind: "cloud", site, zone } as const;
  // Joins of one name come one after another: two of the same pod at once would each take the other for an earlier pod.
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`pod-join/${name}`}, 0))`;
  const earlier = await tx.node.findFirst({ where: { podUid } });
  if (earlier) {
    const { id, generation, revoked } = earlier;
    if (revoked || earlier.publicKey !== publicKey) return null;
    return { nodeId: id as NodeId, generation, ...joined };
  }
  // Kubernetes has one pod of a name at a time, so the pod of an older row of this name is gone.
  const [older] = await tx.node.findMany({ where: { name, OR: [{ podUid: { not: null } }, { revoked: true }] } });
  if (older) await deleteNode(tx, older.id);
  const inserted = await tx.$executeRaw`
    INSERT INTO nodes (id, name, kind, site, zone, labels, public_key, pod_uid)
    VALUES (${newNodeId}, ${name}, 'cloud', ${site}, ${zone}, ${JSON.stringify(labels)}::jsonb, ${publicKey}, ${podUid})
    ON CONFLICT DO NOTHING`;
  if (inserted === 0)
    throw new SkerryError("NAME_TAKEN", `a node named ${name} exists that is no pod: remove that node first`);
  const detail = { nodeId: newNodeId, kind: "cloud", site, podUid };
  await audit(tx, { ...KUBERNETES, ...from }, { action: "node.join", target: `node/${name}`, detail });
  await appendEvents(tx, []);
  return { nodeId: newNodeId, generation: 1, ...joined };
}

async function removePodNode(tx: Transaction, { name, podUid }: PodNode, event: NewEvent): Promise<void> {
  const [node] = await tx.$queryRaw<{ id: string; revoked: boolean }[]>`
    SELECT id, revoked FROM nodes WHERE name = ${name} AND pod_uid = ${podUid} FOR UPDATE`;
  if (!node) return;
  if (node.revoked) {
    await deleteNode(tx, node.id);
    return appendEvents(tx, []);
  }
  await tx.node.update({
    where: { id: node.id },
    data: { revoked: true, generation: { increment: 1 }, rowVersion: { increment: 1 } },
  });
  await tx.nodeSession.updateMany({ where: { nodeId: node.id }, data: { open: false } });
  // Nothing of it will ever be reported: the placements go at once, and the next plan puts them elsewhere.
  await tx.placement.deleteMany({ where: { nodeId: node.id } });
  await audit(tx, KUBERNETES, { action: "node.remove", target: `node/${name}`, detail: { nodeId: node.id, podUid } });
  await appendEvents(tx, [event]);
}

async function deleteNode(tx: Transaction, id: string): Promise<void> {
  await tx.placement.deleteMany({ where: { nodeId: id } });
  await tx.node.delete({ where: { id } });
}
