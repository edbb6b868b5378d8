import { Prisma } from "../../../../prisma/generated/client.ts";
import type { Transaction } from "../database.ts";

/**
 * Makes all placements of a deployment, or of a node, `gone` and tells their nodes by a new `desired_rev`. The caller
 * holds the lock of the deployment or the node. Nodes are locked by id, so that two of these cannot deadlock. Returns the nodes' ids.
 */
export async function removeAll(
  tx: Transaction,
  of: { readonly deployment: string } | { readonly nodeId: string },
): Promise<readonly string[]> {
  const where = "nodeId" in of ? Prisma.sql`node_id = ${of.nodeId}` : Prisma.sql`deployment_name = ${of.deployment}`;
  await tx.$queryRaw`
    SELECT id FROM nodes WHERE id IN (SELECT node_id FROM placements WHERE ${where}) ORDER BY id FOR NO KEY UPDATE`;
  const raised = await tx.$queryRaw<{ id: string }[]>`
    WITH changed AS (
      UPDATE placements SET wanted = 'gone'
      WHERE ${where} AND wanted <> 'gone'
      RETURNING node_id
    )
    UPDATE nodes SET desired_rev = desired_rev + 1 WHERE id IN (SELECT node_id FROM changed)
    RETURNING id`;
  return raised.map(({ id }) => id);
}
