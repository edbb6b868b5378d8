import type { z } from "zod";
import { Prisma } from "../../../../../prisma/generated/client.ts";
import type { NodeId } from "../../../../../shared/base/ids.ts";
import type { Capabilities } from "../../../../../shared/protocol/messages/capabilities.ts";
import type { PlacementReport } from "../../../../../shared/protocol/messages/placement-report.ts";
import type { NewEvent } from "../../../../ports/events.ts";
import { OWNER_GONE_MS } from "../../../../core/fleet/node-status.ts";
import type { FleetLoad } from "../../../../core/fleet/types.ts";
import type {
  Clone,
  JoinAttempt,
  JoinedNode,
  NodeIdentityRow,
  Peer,
  Replica,
  SessionOpening,
  SessionStore,
  TouchedSession,
} from "../../../../ports/nodes/nodes.ts";
import type { Database, Transaction } from "../../database.ts";
import { Gathered } from "../../gathered.ts";
import { joinNode } from "./join-node.ts";
import { rotateKey } from "./rotate-key.ts";
import { CHANNEL, appendEvents } from "../../events/events.ts";
import { clonePayload, MAX_PAYLOAD } from "../change-payload.ts";
import type { storedLoad } from "../snapshot/stored-json.ts";
import { reportConflicts } from "../report-conflicts.ts";
import { openSessions, type OpenedSession } from "./open-sessions.ts";
import { areKnown, newestOfEach, writeReports, type SessionReport } from "./placement-reports.ts";
import { failingLoads, noteFailedLoads } from "./version-history.ts";

/** What replicas write for the nodes whose sockets they hold: always on condition of the session's epoch. */
export class PostgresSessionStore implements SessionStore {
  readonly #ofNodes: Database;
  readonly #vital: Database;
  readonly #identities = new Gathered<string, NodeIdentityRow | null>({
    keyOf: (nodeId) => nodeId,
    answer: (nodeIds) => identitiesOf(this.#ofNodes, nodeIds),
  });
  readonly #openings = new Gathered<SessionOpening, OpenedSession | null>({
    keyOf: ({ nodeId }) => nodeId,
    answer: (openings) => openSessions(this.#ofNodes, openings),
  });
  readonly #known = new Gathered<SessionReport, boolean>({
    keyOf: ({ nodeId }) => nodeId,
    answer: (sessions) => areKnown(this.#ofNodes, sessions),
  });

  /** `ofNodes`: the lane of what nodes cause. `vital`: the lane of what this replica records of itself. */
  constructor({ ofNodes, vital }: { readonly ofNodes: Database; readonly vital: Database }) {
    this.#ofNodes = ofNodes;
    this.#vital = vital;
  }

  join(attempt: JoinAttempt): Promise<JoinedNode | null> {
    return this.#ofNodes.transaction((tx) => joinNode(tx, attempt));
  }

  identity(nodeId: string): Promise<NodeIdentityRow | null> {
    return this.#identities.ask(nodeId);
  }

  rotateKey(rotation: Parameters<SessionStore["rotateKey"]>[0]): Promise<boolean> {
    return this.#ofNodes.transaction((tx) => rotateKey(tx, rotation));
  }

  open(opening: SessionOpening): Promise<OpenedSession | null> {
    return this.#openings.ask(opening);
  }

  changeCapabilities(session: { nodeId: NodeId; epoch: number }, capabilities: Capabilities): Promise<boolean> {
    return this.#ofNodes.transaction(async (tx) => {
      if (!(await isNewest(tx, session))) return false;
      await tx.$executeRaw`
        UPDATE nodes SET capabilities = ${JSON.stringify(capabilities)}::jsonb WHERE id = ${session.nodeId}`;
      await appendEvents(tx, [], { nodes: [session.nodeId] });
      return true;
    });
  }

  async heldElsewhere({ nodeId, bootId, replica }: Parameters<SessionStore["heldElsewhere"]>[0]) {
    const [held] = await this.#ofNodes.run(
      (client) => client.$queryRaw<{ silentMs: number }[]>`
        SELECT (extract(epoch FROM clock_timestamp() - s.last_seen_at) * 1000)::float8 AS "silentMs"
        FROM node_sessions s JOIN control_plane_replicas r ON r.id = s.replica
        WHERE s.node_id = ${nodeId} AND s.open AND s.boot_id <> ${bootId} AND s.replica <> ${replica}
          AND r.last_seen_at > now() - ${OWNER_GONE_MS} * interval '1 millisecond'`,
    );
    return held ?? null;
  }

  async heard({ nodeId, epoch, ageMs }: Parameters<SessionStore["heard"]>[0]): Promise<void> {
    await this.#ofNodes.run(
      (client) => client.$executeRaw`
        UPDATE node_sessions SET last_seen_at = greatest(last_seen_at, clock_timestamp() - ${ageMs}::float8 * interval '1 millisecond')
        WHERE node_id = ${nodeId} AND epoch = ${epoch} AND open`,
    );
  }

  async announceClone(clone: Clone): Promise<void> {
    await this.#ofNodes.run((client) => client.$executeRaw`SELECT pg_notify(${CHANNEL}, ${clonePayload(clone)})`);
  }

  close(nodeId: NodeId, epoch: number, disconnects?: number): Promise<boolean> {
    const score = disconnects ?? null;
    return this.#ofNodes.transaction(async (tx) => {
      const closed = await tx.$executeRaw`
        UPDATE node_sessions SET
          open = false, disconnects = coalesce(${score}::float8, disconnects),
          disconnected_at = CASE WHEN ${score}::float8 IS NULL THEN disconnected_at ELSE now() END
        WHERE node_id = ${nodeId} AND epoch = ${epoch} AND open`;
      if (closed === 0) return (await tx.nodeSession.count({ where: { nodeId, epoch } })) === 1;
      await appendEvents(tx, [], { nodes: [nodeId] });
      return true;
    });
  }

  enter(replica: Replica): Promise<void> {
    const { address } = replica;
    return this.#vital.transaction(async (tx) => {
      await tx.$executeRaw`
        DELETE FROM control_plane_replicas WHERE address = ${address} OR last_seen_at < now() - interval '1 day'`;
      await tx.$executeRaw`INSERT INTO control_plane_replicas ${rowOf(replica)}`;
      await appendEvents(tx, [], "fleet");
    });
  }

  async hasOthers(replicaId: string): Promise<boolean> {
    const rows = await this.#vital.run(
      (client) => client.$queryRaw<unknown[]>`
        SELECT 1 AS other FROM control_plane_replicas
        WHERE id <> ${replicaId} AND last_seen_at > now() - ${OWNER_GONE_MS} * interval '1 millisecond' LIMIT 1`,
    );
    return rows.length > 0;
  }

  async peers(replicaId: string): Promise<readonly Peer[]> {
    const rows = await this.#vital.run(
      (client) => client.$queryRaw<Peer[]>`
        SELECT id, peer_url AS url, public_key AS "publicKey" FROM control_plane_replicas
        WHERE id <> ${replicaId} AND public_key IS NOT NULL
          AND last_seen_at > now() - ${OWNER_GONE_MS} * interval '1 millisecond'`,
    );
    return rows;
  }

  leave(replicaId: string): Promise<void> {
    return this.#vital.transaction(async (tx) => {
      await tx.$executeRaw`DELETE FROM control_plane_replicas WHERE id = ${replicaId}`;
      await appendEvents(tx, [], "fleet");
    });
  }

  /** Locks the sessions in the order of their nodes, as all do that write several: nodes on their way elsewhere are in two of them. */
  async touch(
    replica: Replica,
    sessions: readonly TouchedSession[],
    { areAll }: { readonly areAll: boolean },
  ): Promise<void> {
    const { id } = replica;
    const nodeIds = sessions.map(({ nodeId }) => nodeId);
    const epochs = sessions.map(({ epoch }) => epoch);
    const agesMs = sessions.map(({ ageMs }) => Math.round(ageMs));
    const readiness = sessions.map(({ isReady }) => isReady);
    const loads = sessions.map(({ load }) => (load ? JSON.stringify(withoutPlacements(load)) : null));
    await this.#vital.run(
      (client) => client.$executeRaw`
        WITH lives AS (
          INSERT INTO control_plane_replicas ${rowOf(replica)}
          ON CONFLICT (id) DO UPDATE SET last_seen_at = now()
        ), t AS (
          SELECT * FROM unnest(${nodeIds}::text[], ${epochs}::int[], ${agesMs}::float8[], ${readiness}::bool[], ${loads}::text[])
            AS t (node_id, epoch, age_ms, ready, load)
        ), locked AS MATERIALIZED (
          SELECT node_id FROM node_sessions WHERE node_id IN (SELECT node_id FROM t) OR (${areAll} AND replica = ${id} AND open)
          ORDER BY node_id FOR NO KEY UPDATE
        ), turned AS (
          SELECT s.node_id FROM node_sessions s JOIN t ON s.node_id = t.node_id AND s.epoch = t.epoch AND s.ready <> t.ready
        ), touched AS (
          UPDATE node_sessions s SET
            last_seen_at = greatest(s.last_seen_at, now() - t.age_ms * interval '1 millisecond'),
            ready = t.ready, load = coalesce(t.load::jsonb, s.load)
          FROM locked JOIN t USING (node_id) WHERE s.node_id = t.node_id AND s.epoch = t.epoch
        ), closed AS (
          UPDATE node_sessions SET open = false
          WHERE ${areAll} AND replica = ${id} AND open AND opened_at < now() - ${OPENING_LASTS} AND node_id NOT IN (SELECT node_id FROM t)
            AND node_id IN (SELECT node_id FROM locked)
          RETURNING node_id
        ), changed AS (
          SELECT 'fleet ' || jsonb_build_object('nodes', jsonb_agg(node_id))::text AS payload
          FROM (SELECT node_id FROM turned UNION SELECT node_id FROM closed) AS nodes
          HAVING count(*) > 0
        )
        SELECT pg_notify(${CHANNEL}, CASE WHEN length(payload) <= ${MAX_PAYLOAD} THEN payload ELSE 'fleet' END) FROM changed`,
    );
  }

  /** Reports that are all stale or known tell nothing: then their events are not kept either. */
  async report(
    session: { nodeId: NodeId; epoch: number },
    reports: readonly PlacementReport[],
    events: readonly NewEvent[],
  ): Promise<boolean> {
    const newest = newestOfEach(reports);
    // Those of a `hello` are no news to this replica, and most often to nobody.
    if (events.length === 0 && (await this.#known.ask({ ...session, reports: newest }))) return true;
    return this.#ofNodes.transaction(async (tx) => {
      if (!(await isNewest(tx, session))) return false;
      const conflicts = await reportConflicts(tx, session.nodeId, newest);
      const failed = await failingLoads(tx, session.nodeId, newest);
      const isNews = reports.length === 0 || (await writeReports(tx, session.nodeId, newest)) > 0;
      await noteFailedLoads(tx, session.nodeId, failed);
      if (isNews || conflicts.length > 0)
        await appendEvents(tx, isNews ? [...conflicts, ...events] : conflicts, { nodes: [session.nodeId] });
      return true;
    });
  }
}

const rowOf = ({ id, address, peer }: Replica) =>
  Prisma.sql`(id, address, peer_url, public_key) VALUES (${id}, ${address}, ${peer?.url}, ${peer?.publicKey})`;

/** A session that is in its row and not yet among those of its replica is about to be. */
const OPENING_LASTS = Prisma.sql`interval '10 seconds'`;

function withoutPlacements(load: FleetLoad): z.infer<typeof storedLoad> {
  const { cpuPct, memFreeMiB, diskFreeMiB, rttMs, rif, pushBytesPerMs, pushMeasuredAt, streams, errors } = load;
  const pushAgeMs = pushMeasuredAt === undefined ? undefined : Math.round(load.at - pushMeasuredAt);
  const ofStreams = streams === undefined ? undefined : [...streams];
  const ofVersions = errors?.map(({ model, version, requests, errors: failed, at, erredAt }) => ({
    model,
    version,
    requests: tenths(requests),
    errors: tenths(failed),
    ageMs: Math.round(load.at - at),
    ...(erredAt !== undefined && { erredAgeMs: Math.round(load.at - erredAt) }),
  }));
  const own = { cpuPct, memFreeMiB, diskFreeMiB, rttMs, rif };
  return { ...own, pushBytesPerMs, pushAgeMs, streams: ofStreams, errors: ofVersions };
}

const tenths = (count: number): number => Math.round(10 * count) / 10;

/** Locks node and session, so that neither a newer session nor a revocation can come between this and the commit. */
async function isNewest(tx: Transaction, { nodeId, epoch }: { nodeId: NodeId; epoch: number }): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 AS newest FROM nodes n JOIN node_sessions s ON s.node_id = n.id
    WHERE n.id = ${nodeId} AND s.epoch = ${epoch} AND NOT n.revoked
    FOR SHARE OF n, s`;
  return rows.length === 1;
}

async function identitiesOf(
  database: Database,
  nodeIds: readonly string[],
): Promise<readonly (NodeIdentityRow | null)[]> {
  const rows = await database.run(
    (client) => client.$queryRaw<(NodeIdentityRow & { readonly id: string })[]>`
      SELECT id, name, kind, public_key AS "publicKey", generation, revoked, waiting_until IS NOT NULL AS "isWaiting",
        CASE WHEN previous_key_until > now() THEN previous_key END AS "previousKey",
        (extract(epoch FROM now() - key_made_at) * 1000)::float8 AS "keyAgeMs"
      FROM nodes WHERE id = ANY(${[...nodeIds]}::text[])`,
  );
  const identities = new Map(rows.map(({ id, ...identity }) => [id, identity]));
  return nodeIds.map((id) => identities.get(id) ?? null);
}
