import { Prisma } from "../../../../../prisma/generated/client.ts";
import type { NodeId } from "../../../../../shared/base/ids.ts";
import type { PlacementReport } from "../../../../../shared/protocol/messages/placement-report.ts";
import type { Database, Transaction } from "../../database.ts";

/** `hello` cuts the words of a failure short: then those that we have stay. */
const DETAIL = Prisma.sql`
  CASE WHEN p.state = r.state AND p.failure_code = r.code AND starts_with(p.failure_detail, r.detail)
    THEN p.failure_detail ELSE r.detail END`;

/** A placement that the node has removed and that is wanted has to come again. */
const STATE = Prisma.sql`CASE WHEN r.state = 'gone' AND p.wanted <> 'gone' THEN 'offered' ELSE r.state END`;

/** As `trialsAfter` of the fleet in memory has them. */
const MEASURED = Prisma.sql`
  CASE WHEN r.measured IS NULL AND r.state = 'ready' AND r.host IS NULL AND p.host IS NOT NULL
    THEN NULL ELSE coalesce(r.measured, p.measured_mib) END`;
const HOST = Prisma.sql`CASE WHEN r.state = 'ready' THEN r.host ELSE p.host END`;

/** The reports in `json` as rows `r`. */
const rowsIn = (json: Prisma.Sql): Prisma.Sql => Prisma.sql`
  (SELECT "placementId" AS id, generation, state, CASE WHEN state = 'failed' THEN coalesce(code, 'HOST_CRASHED') END AS code,
    CASE WHEN state = 'failed' THEN coalesce(detail, '') END AS detail, "rssMiB" AS rss, "warmUs" AS warm,
    sharing, "limitMiB" AS limit_mib, "measuredMiB" AS measured, host
  FROM jsonb_to_recordset(${json})
    AS reported ("placementId" text, generation int, state text, code text, detail text, "rssMiB" int, "warmUs" int,
      sharing jsonb, "limitMiB" int, "measuredMiB" int, host text)) AS r`;

/** Whether a report `r` says of its placement `p` what is not in the row. */
const IS_NEWS = Prisma.sql`
  (p.generation, p.state, p.failure_code, p.failure_detail, p.rss_mib, p.warm_us, p.sharing, p.limit_mib, p.measured_mib, p.host)
    IS DISTINCT FROM (r.generation, ${STATE}, r.code, ${DETAIL}, coalesce(r.rss, p.rss_mib), coalesce(r.warm, p.warm_us),
      r.sharing, r.limit_mib, ${MEASURED}, ${HOST})`;

/** Returns how many rows the reports changed. What each kind of report leads to: core/fleet/report-verdicts.ts. */
export async function writeReports(
  tx: Transaction,
  nodeId: NodeId,
  reports: readonly PlacementReport[],
): Promise<number> {
  return tx.$executeRaw`
    UPDATE placements p SET
      generation = r.generation, state = ${STATE},
      state_since = CASE WHEN p.state = ${STATE} AND p.generation = r.generation THEN p.state_since ELSE now() END,
      failure_code = r.code, failure_detail = ${DETAIL},
      rss_mib = coalesce(r.rss, p.rss_mib), warm_us = coalesce(r.warm, p.warm_us),
      sharing = r.sharing, limit_mib = r.limit_mib, measured_mib = ${MEASURED}, host = ${HOST}
    FROM ${rowsIn(Prisma.sql`${JSON.stringify(reports)}::jsonb`)}
    WHERE p.id = r.id AND p.node_id = ${nodeId} AND p.generation <= r.generation AND ${IS_NEWS}`;
}

/** What the node of a session reports. */
export interface SessionReport {
  readonly nodeId: NodeId;
  readonly epoch: number;
  readonly reports: readonly PlacementReport[];
}

/**
 * Of each session whether it is its node's newest and all that it reports is in the rows: then there is nothing to write and
 * nothing to say. Nodes that return report what is known, and to find that by a transaction for each took six round trips. Only
 * the newest session of a node writes its reports, so the answer lasts.
 */
export async function areKnown(database: Database, sessions: readonly SessionReport[]): Promise<readonly boolean[]> {
  const rows = await database.run(
    (client) => client.$queryRaw<{ nodeId: string }[]>`
      SELECT asked.node_id AS "nodeId"
      FROM unnest(${sessions.map(({ nodeId }) => nodeId)}::text[], ${sessions.map(({ epoch }) => epoch)}::int[],
        ${sessions.map(({ reports }) => JSON.stringify(reports))}::text[]) AS asked (node_id, epoch, reports)
      JOIN nodes n ON n.id = asked.node_id AND NOT n.revoked
      JOIN node_sessions s ON s.node_id = asked.node_id AND s.epoch = asked.epoch
      WHERE NOT EXISTS (
        SELECT 1 FROM ${rowsIn(Prisma.sql`asked.reports::jsonb`)}
        LEFT JOIN placements p ON p.id = r.id AND p.node_id = asked.node_id
        WHERE p.id IS NULL OR (r.state = 'gone' AND p.wanted <> 'gone') OR (p.generation <= r.generation AND ${IS_NEWS}))`,
  );
  const known = new Set(rows.map(({ nodeId }) => nodeId));
  return sessions.map(({ nodeId }) => known.has(nodeId));
}

/** One row is updated at most once by a statement: of several reports on one placement the last of the newest generation counts. */
export function newestOfEach(reports: readonly PlacementReport[]): readonly PlacementReport[] {
  const newest = new Map<string, PlacementReport>();
  for (const report of reports) {
    const before = newest.get(report.placementId);
    if (!before || before.generation <= report.generation) newest.set(report.placementId, report);
  }
  return [...newest.values()];
}
