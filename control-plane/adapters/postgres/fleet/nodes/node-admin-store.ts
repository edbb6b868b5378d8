import { nodeKind, type JoinTokenInfo } from "../../../../../shared/api/v1/nodes/nodes.ts";
import { canonicalJson } from "../../../../../shared/base/digest.ts";
import { SkerryError } from "../../../../../shared/base/errors.ts";
import type { Actor } from "../../../../ports/access/audit.ts";
import type { NewEvent } from "../../../../ports/events.ts";
import type { NodeAdminStore } from "../../../../ports/nodes/nodes.ts";
import type { Database, Transaction } from "../../database.ts";
import { createToken, deleteToken, toJoinTokenInfo, type NewJoinToken } from "./join-tokens.ts";
import { approveNode, rejectNode } from "./waiting-nodes.ts";
import { audit } from "../../events/audit.ts";
import { appendEvents } from "../../events/events.ts";
import { createReplaceToken } from "./replace-node.ts";
import { removeAll } from "../remove-placement.ts";
import { requireOwner } from "../../owner.ts";
import { requireVersion } from "../../row-version.ts";

type NodeChange = Parameters<NodeAdminStore["update"]>[1];
const FIELDS = ["name", "cordoned", "draining", "labels", "site", "zone", "kubernetesNamespace"] as const;

/** What operators change about nodes. */
export class PostgresNodeAdminStore implements NodeAdminStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** A change to what is so already is none: no row, no event, no audit entry. */
  update(
    name: string,
    change: NodeChange,
    context: { actor: Actor; ifMatch: number | undefined; event: NewEvent | undefined },
  ): Promise<void> {
    const { actor, ifMatch, event } = context;
    return this.#database.transaction(async (tx) => {
      const before = await lockNode(tx, name);
      requireVersion(`the node ${name}`, before.rowVersion, ifMatch);
      const namespace = before.kubernetesNamespace;
      // A resource that begins to declare something takes the node over; the API never does.
      if (namespace !== null || actor.kubernetesNamespace === undefined)
        requireOwner({ what: `the node ${name}`, kind: "EdgeNode", namespace }, actor);
      const { drain, ...fields } = change;
      const changed = FIELDS.filter(
        (field) => fields[field] !== undefined && canonicalJson(fields[field]) !== canonicalJson(before[field]),
      );
      const isOtherDrain = drain !== undefined && (drain !== null || before.hasDeadline);
      if (changed.length === 0 && !isOtherDrain) return;
      if (before.isPod && (changed.includes("site") || changed.includes("zone"))) throw ownedPlace(name);
      const isFreed =
        change.name !== undefined && changed.includes("name") && (await freeName(tx, before, change.name));
      const tellsNode = changed.includes("cordoned") || changed.includes("draining");
      const versions = { rowVersion: { increment: 1 }, ...(tellsNode && { desiredRev: { increment: 1 } }) };
      await tx.node.update({ where: { name }, data: { ...fields, ...versions } });
      if (isOtherDrain || fields.draining === false) await writeDrain(tx, before.id, drain ?? null);
      const pick = (from: Omit<NodeChange, "drain">): object =>
        Object.fromEntries(changed.map((field) => [field, from[field]]));
      await audit(tx, actor, {
        action: "node.update",
        target: `node/${name}`,
        detail: { before: pick(before), after: { ...pick(fields), ...(isOtherDrain && { drain }) } },
      });
      await appendEvents(tx, event ? [event] : [], isFreed ? "fleet" : { nodes: [before.id] });
    });
  }

  /** Revoking a revoked node changes nothing. */
  revoke(name: string, { actor, event }: { actor: Actor; event: NewEvent }): Promise<void> {
    return this.#database.transaction(async (tx) => {
      const node = await lockNode(tx, name);
      if (node.revoked) return;
      await tx.node.update({
        where: { name },
        data: { revoked: true, generation: { increment: 1 }, rowVersion: { increment: 1 } },
      });
      await tx.nodeSession.updateMany({ where: { nodeId: node.id }, data: { open: false } });
      await removeAll(tx, { nodeId: node.id });
      await audit(tx, actor, { action: "node.revoke", target: `node/${name}`, detail: { nodeId: node.id } });
      await appendEvents(tx, [event], { nodes: [node.id] });
    });
  }

  approve(name: string, decision: Parameters<NodeAdminStore["approve"]>[1]): Promise<void> {
    return this.#database.transaction((tx) => approveNode(tx, name, decision));
  }

  reject(name: string, decision: Parameters<NodeAdminStore["reject"]>[1]): Promise<void> {
    return this.#database.transaction((tx) => rejectNode(tx, name, decision));
  }

  async rowVersion(name: string): Promise<number | null> {
    const node = await this.#database.run((client) =>
      client.node.findUnique({ where: { name }, select: { rowVersion: true } }),
    );
    return node?.rowVersion ?? null;
  }

  createToken(token: NewJoinToken, actor: Actor): Promise<JoinTokenInfo> {
    return this.#database.transaction((tx) => createToken(tx, token, actor));
  }

  createReplaceToken(...asked: Parameters<NodeAdminStore["createReplaceToken"]>): Promise<JoinTokenInfo> {
    return this.#database.transaction((tx) => createReplaceToken(tx, ...asked));
  }

  async listTokens(): Promise<readonly JoinTokenInfo[]> {
    const rows = await this.#database.run((client) =>
      client.joinToken.findMany({ include: { uses: true }, orderBy: [{ createdAt: "desc" }, { id: "asc" }] }),
    );
    return rows.map((row) => toJoinTokenInfo({ ...row, kind: nodeKind.parse(row.kind) }));
  }

  deleteToken(id: string, actor: Actor): Promise<void> {
    return this.#database.transaction((tx) => deleteToken(tx, id, actor));
  }
}

interface LockedNode extends Required<Omit<NodeChange, "drain">> {
  readonly id: string;
  readonly hasDeadline: boolean;
  readonly revoked: boolean;
  readonly rowVersion: number;
  readonly isPod: boolean;
  readonly hasConnected: boolean;
}

/** By the database's clock, so that the deadline is the same for every control plane. */
async function writeDrain(tx: Transaction, id: string, drain: NonNullable<NodeChange["drain"]> | null): Promise<void> {
  await tx.$executeRaw`
    UPDATE nodes SET drain_deadline = now() + ${drain?.deadlineSeconds ?? null}::float8 * interval '1 second',
      drain_removes = ${drain?.removes ?? false}, drain_announced = NULL
    WHERE id = ${id}`;
}

/**
 * Makes sure that the node may take another name, and that it is free. Whether the row of a removed node, which only remembers
 * its name, made way. Throws `NAME_TAKEN`, `CONFLICT`.
 */
async function freeName(tx: Transaction, { name, isPod, hasConnected }: LockedNode, newName: string): Promise<boolean> {
  if (isPod) throw new SkerryError("CONFLICT", `${name} is a pod: it is named as that is`);
  // Its machine may ask again whether it has joined, by the name that it knows.
  if (!hasConnected) throw new SkerryError("CONFLICT", `${name} has not connected yet: rename it when it is ready`);
  const { count } = await tx.node.deleteMany({ where: { name: newName, revoked: true } });
  const other = await tx.node.findUnique({ where: { name: newName }, select: { id: true } });
  if (other)
    throw new SkerryError(
      "NAME_TAKEN",
      `a node named ${newName} exists: choose another name, or remove that node first`,
    );
  return count > 0;
}

/** A pod that comes after this one would not have what somebody set here. */
const ownedPlace = (name: string): SkerryError =>
  new SkerryError(
    "CONFLICT",
    `${name} is a pod: its zone is topology.kubernetes.io/zone of the cluster's node that it runs on, and its site that of its pool. ` +
      "Set `site` of the pool, or SKERRY_POD_SITE for all of them; pods that join from then on have it",
  );

/** The node as it is and stays until the transaction ends: no placement comes in between. Throws `NOT_FOUND`. */
async function lockNode(tx: Transaction, name: string): Promise<LockedNode> {
  const [node] = await tx.$queryRaw<LockedNode[]>`
    SELECT id, name, cordoned, draining, revoked, labels, site, zone, row_version AS "rowVersion",
      drain_deadline IS NOT NULL AS "hasDeadline", kubernetes_namespace AS "kubernetesNamespace", pod_uid IS NOT NULL AS "isPod",
      EXISTS (SELECT FROM node_sessions WHERE node_id = nodes.id) AS "hasConnected"
    FROM nodes WHERE name = ${name} FOR NO KEY UPDATE`;
  if (!node) throw new SkerryError("NOT_FOUND", `there is no node ${name}`);
  return node;
}
