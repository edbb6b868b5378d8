import { Prisma } from "../../../../../prisma/generated/client.ts";
import type { NodeId } from "../../../../../shared/base/ids.ts";
import type { PlacementReport } from "../../../../../shared/protocol/messages/placement-report.ts";
import { LOAD_FAILURES } from "../../../../core/fleet/versions/version-history.ts";
import type { Transaction } from "../../database.ts";

interface FailedLoad {
  readonly model: string;
  readonly version: number;
  readonly memMiB: number | null;
  readonly agent: string | null;
  /** The attempt had led to a replica that served. */
  readonly hasServed: boolean;
}

/** Loads that end in a failure by these reports: to be asked before they are written, as a failure that is known is none. */
export async function failingLoads(
  tx: Transaction,
  nodeId: NodeId,
  reports: readonly PlacementReport[],
): Promise<readonly FailedLoad[]> {
  const failures = reports.filter(
    ({ state, code = "HOST_CRASHED" }) => state === "failed" && LOAD_FAILURES.includes(code),
  );
  if (failures.length === 0) return [];
  return tx.$queryRaw<FailedLoad[]>`
    SELECT p.model_name AS model, p.version, max(p.attempt_mem_mib) AS "memMiB", max(p.attempt_agent) AS agent,
      bool_or(p.warm_us IS NOT NULL) AS "hasServed"
    FROM unnest(${failures.map(({ placementId }) => placementId)}::text[], ${failures.map(({ generation }) => generation)}::int[])
      AS r (id, generation)
    JOIN placements p ON p.id = r.id
    WHERE p.node_id = ${nodeId} AND p.generation <= r.generation AND (p.state <> 'failed' OR p.generation < r.generation)
    GROUP BY p.model_name, p.version`;
}

/** Counts them. A replica that had served, or another attempt, begins at one. */
export async function noteFailedLoads(tx: Transaction, nodeId: NodeId, failed: readonly FailedLoad[]): Promise<void> {
  if (failed.length === 0) return;
  await tx.$executeRaw`
    WITH t AS (
      SELECT * FROM unnest(${failed.map(({ model }) => model)}::text[], ${failed.map(({ version }) => version)}::int[],
        ${failed.map(({ memMiB }) => memMiB)}::int[], ${failed.map(({ agent }) => agent)}::text[],
        ${failed.map(({ hasServed }) => hasServed)}::bool[]) AS t (model, version, mem, agent, served)
    )
    INSERT INTO version_histories AS h (node_id, model_name, version, load_failures, attempt_mem_mib, attempt_agent)
    SELECT ${nodeId}, model, t.version, CASE WHEN NOT served AND before.attempt_mem_mib IS NOT DISTINCT FROM mem
        AND before.attempt_agent IS NOT DISTINCT FROM agent THEN coalesce(before.load_failures, 0) + 1 ELSE 1 END, mem, agent
    FROM t LEFT JOIN version_histories before
      ON before.node_id = ${nodeId} AND before.model_name = model AND before.version = t.version
    ON CONFLICT (node_id, model_name, version) DO UPDATE SET load_failures = excluded.load_failures,
      attempt_mem_mib = excluded.attempt_mem_mib, attempt_agent = excluded.attempt_agent`;
}

/** An operator asks for another try of a model where it did not load. Returns the ids of these nodes. */
export async function forgetFailedLoads(tx: Transaction, model: Prisma.Sql): Promise<readonly string[]> {
  const rows = await tx.$queryRaw<{ nodeId: string }[]>`
    UPDATE version_histories SET load_failures = 0 WHERE load_failures > 0 AND model_name = ${model}
    RETURNING node_id AS "nodeId"`;
  return [...new Set(rows.map(({ nodeId }) => nodeId))];
}

/** The version of a placement leaves its node for another deployment's. */
export const noteEviction = (placementId: string): Prisma.Sql => Prisma.sql`
  INSERT INTO version_histories (node_id, model_name, version, evicted_at)
  SELECT node_id, model_name, version, now() FROM placements WHERE id = ${placementId}
  ON CONFLICT (node_id, model_name, version) DO UPDATE SET evicted_at = excluded.evicted_at`;
