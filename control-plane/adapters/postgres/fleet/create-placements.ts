import type { PlacementCreation } from "../../../ports/plan.ts";
import type { Transaction } from "../database.ts";

/**
 * Locks the deployments and then the nodes of new placements, each in the order of their names or ids, and returns those
 * whose deployment is the one that was planned for and whose node takes placements. A node that was cordoned meanwhile is
 * not among them; one that is cordoned later waits for this transaction.
 */
export async function lockTargets(
  tx: Transaction,
  creations: readonly PlacementCreation[],
): Promise<readonly PlacementCreation[]> {
  const names = [...new Set(creations.map(({ placement }) => placement.deployment))];
  const nodeIds = [...new Set(creations.map(({ placement }) => placement.nodeId))];
  const deployments = await tx.$queryRaw<{ name: string; generation: number }[]>`
    SELECT name, generation FROM deployments WHERE name = ANY(${names}::text[]) ORDER BY name FOR SHARE`;
  const nodes = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM nodes
    WHERE id = ANY(${nodeIds}::text[]) AND NOT cordoned AND NOT draining AND NOT revoked
    ORDER BY id FOR NO KEY UPDATE`;
  const generations = new Map(deployments.map(({ name, generation }) => [name, generation]));
  const accepting = new Set(nodes.map(({ id }) => id));
  return creations.filter(
    ({ placement: { deployment, deploymentGeneration, nodeId } }) =>
      generations.get(deployment) === deploymentGeneration && accepting.has(nodeId),
  );
}

/**
 * Ids of those that were written, each decided 1 ms after the one before it: of equal replicas the youngest leaves first.
 * What a node holds of a deployment already is left as it is. Raises the nodes' `desired_rev`.
 */
export async function insertPlacements(
  tx: Transaction,
  creations: readonly PlacementCreation[],
): Promise<ReadonlySet<string>> {
  const rows = creations.map(({ placement }) => placement);
  const written = await tx.$queryRaw<{ id: string }[]>`
    WITH changed AS (
      INSERT INTO placements (id, deployment_name, model_name, version, variant, node_id, explain, attempt_mem_mib, attempt_agent, decided_at)
      SELECT id, deployment, model, version, variant, node_id, explain::jsonb, mem_mib, agent,
        now() - (${rows.length} - place) * interval '1 millisecond'
      FROM unnest(${rows.map(({ id }) => id)}::text[], ${rows.map(({ deployment }) => deployment)}::text[],
        ${rows.map(({ model }) => model)}::text[], ${rows.map(({ version }) => version)}::int[],
        ${rows.map(({ explain }) => explain.variant?.name ?? "")}::text[], ${rows.map(({ nodeId }) => nodeId)}::text[], ${rows.map(({ explain }) => JSON.stringify(explain))}::text[],
        ${rows.map(({ attempt }) => attempt.memMiB)}::int[], ${rows.map(({ attempt }) => attempt.agent)}::text[])
        WITH ORDINALITY AS t (id, deployment, model, version, variant, node_id, explain, mem_mib, agent, place)
      ON CONFLICT DO NOTHING
      RETURNING id, node_id
    ), raised AS (
      UPDATE nodes SET desired_rev = desired_rev + 1 FROM changed WHERE nodes.id = changed.node_id
    )
    SELECT id FROM changed`;
  return new Set(written.map(({ id }) => id));
}
