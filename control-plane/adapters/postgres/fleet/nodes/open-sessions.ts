import type { SessionOpening } from "../../../../ports/nodes/nodes.ts";
import type { Database } from "../../database.ts";
import { CHANNEL } from "../../events/events.ts";
import { fleetPayload } from "../change-payload.ts";

/** What a session was opened with. */
export interface OpenedSession {
  readonly epoch: number;
  readonly desiredRev: number;
  readonly regressed: boolean;
}

/**
 * Opens the sessions of different nodes by one statement, in the order of `openings`: null for a node that is unknown, revoked,
 * waiting or of another generation. Locks the nodes in the order of their ids.
 */
export async function openSessions(
  database: Database,
  openings: readonly SessionOpening[],
): Promise<readonly (OpenedSession | null)[]> {
  const payload = fleetPayload({ nodes: openings.map(({ nodeId }) => nodeId) });
  const rows = await database.run(
    (client) => client.$queryRaw<(OpenedSession & { readonly nodeId: string })[]>`
      WITH asked AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(${JSON.stringify(openings)}::jsonb) AS asked
          ("nodeId" text, generation int, "lastEpoch" int, "desiredRev" int, replica text, "bootId" text,
            "agentVersion" text, capabilities jsonb)
      ), before AS MATERIALIZED (
        SELECT n.id, n.desired_rev FROM nodes n JOIN asked ON asked."nodeId" = n.id AND asked.generation = n.generation
        WHERE NOT n.revoked AND n.waiting_until IS NULL
        ORDER BY n.id FOR NO KEY UPDATE OF n
      ), node AS (
        UPDATE nodes SET
          capabilities = asked.capabilities,
          desired_rev = CASE WHEN asked."desiredRev" > before.desired_rev THEN asked."desiredRev" + 1 ELSE before.desired_rev END
        FROM before JOIN asked ON asked."nodeId" = before.id WHERE nodes.id = before.id
        RETURNING nodes.id, nodes.desired_rev
      ), session AS (
        INSERT INTO node_sessions AS s (node_id, epoch, replica, boot_id, agent_version, open)
        SELECT node.id, asked."lastEpoch" + 1, asked.replica, asked."bootId", asked."agentVersion", true
        FROM node JOIN asked ON asked."nodeId" = node.id ORDER BY node.id
        ON CONFLICT (node_id) DO UPDATE SET
          epoch = greatest(s.epoch + 1, excluded.epoch), replica = excluded.replica, boot_id = excluded.boot_id,
          agent_version = excluded.agent_version, open = true, ready = false, opened_at = now(), last_seen_at = now()
        RETURNING node_id, epoch
      )
      SELECT node.id AS "nodeId", session.epoch, node.desired_rev AS "desiredRev",
        node.desired_rev > before.desired_rev AS regressed, (SELECT pg_notify(${CHANNEL}, ${payload})::text) AS notified
      FROM before JOIN node ON node.id = before.id JOIN session ON session.node_id = before.id`,
  );
  const opened = new Map(
    rows.map(({ nodeId, epoch, desiredRev, regressed }) => [nodeId, { epoch, desiredRev, regressed }]),
  );
  return openings.map(({ nodeId }) => opened.get(nodeId) ?? null);
}
