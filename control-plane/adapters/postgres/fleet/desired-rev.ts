import { Prisma } from "../../../../prisma/generated/client.ts";
import type { Transaction } from "../database.ts";

/**
 * A new `desired_rev` for the nodes of these placements, whose documents change though no placement does. Without it a node
 * would hold a newer revision than the database, as after a restored backup. Nodes are locked by id. Returns the
 * nodes' ids.
 */
export async function raiseDesiredRev(tx: Transaction, placements: Prisma.Sql): Promise<readonly string[]> {
  const nodes = Prisma.sql`SELECT node_id FROM placements WHERE wanted <> 'gone' AND ${placements}`;
  await tx.$queryRaw`SELECT id FROM nodes WHERE id IN (${nodes}) ORDER BY id FOR NO KEY UPDATE`;
  const raised = await tx.$queryRaw<{ id: string }[]>`
    UPDATE nodes SET desired_rev = desired_rev + 1 WHERE id IN (${nodes}) RETURNING id`;
  return raised.map(({ id }) => id);
}
