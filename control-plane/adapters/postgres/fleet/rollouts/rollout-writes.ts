import { Prisma } from "../../../../../prisma/generated/client.ts";
import { ENDED_PHASES, type RolloutRecord } from "../../../../../shared/api/v1/rollouts/rollouts.ts";
import type { FleetKeys } from "../../../../core/fleet/changes/fleet-keys.ts";
import { changedNodes, type ChangedNodes } from "../../../../core/rollout/changed-nodes.ts";
import type { RolloutWrite } from "../../../../ports/plan.ts";
import type { Transaction } from "../../database.ts";
import { raiseDesiredRev } from "../desired-rev.ts";

/** So many rollouts of a deployment are kept. */
const MAX_KEPT = 50;

interface PresentRollout {
  readonly number: number;
  readonly revision: number;
  readonly phase: string;
  readonly wave: number;
}

/**
 * Writes what becomes of a deployment's rollouts, with the deployment locked. Returns what changed; undefined, and nothing is
 * changed, when the deployment is at another generation or its newest rollout is not `before`.
 */
export async function writeRollouts(
  tx: Transaction,
  { deployment, generation, before, newest, next }: Omit<RolloutWrite, "events">,
): Promise<FleetKeys | undefined> {
  const found = await tx.$queryRaw<unknown[]>`
    SELECT 1 AS found FROM deployments WHERE name = ${deployment} AND generation = ${generation} FOR NO KEY UPDATE`;
  if (found.length === 0) return undefined;
  const [present] = await tx.$queryRaw<PresentRollout[]>`
    SELECT number, revision, record->>'phase' AS phase, (record->>'wave')::int AS wave FROM rollouts
    WHERE deployment_name = ${deployment} ORDER BY number DESC LIMIT 1`;
  if (present?.number !== before?.number || present?.revision !== before?.revision) return undefined;
  const isNewPhase = next !== undefined || newest?.phase !== present?.phase || newest?.wave !== present?.wave;
  if (present && newest) {
    await replace(tx, deployment, { number: present.number, record: newest, isNewPhase });
    const changed = changedNodes(before?.nodes ?? [], newest.nodes);
    await writeNodes(tx, { deployment, number: present.number }, changed);
  }
  if (next) {
    const number = (present?.number ?? 0) + 1;
    await insert(tx, deployment, { number, record: next });
    await writeNodes(tx, { deployment, number }, changedNodes([], next.nodes));
  }
  const nodes = isNewPhase ? await raiseDesiredRev(tx, Prisma.sql`deployment_name = ${deployment}`) : [];
  return { deployments: [deployment], nodes };
}

/** They have rows of their own: with 10,000 nodes the record would be 1.4 MB, written anew for each node that goes on. */
const withoutNodes = ({ nodes: _nodes, ...record }: RolloutRecord): string => JSON.stringify(record);

async function writeNodes(
  tx: Transaction,
  { deployment, number }: { readonly deployment: string; readonly number: number },
  { written, removed }: ChangedNodes,
): Promise<void> {
  if (written.length > 0)
    await tx.$executeRaw`
      INSERT INTO rollout_nodes (deployment_name, number, node_id, node)
      SELECT ${deployment}, ${number}, t.id, t.node::jsonb
      FROM unnest(${written.map(({ nodeId }) => nodeId)}::text[], ${written.map((node) => JSON.stringify(node))}::text[]) AS t (id, node)
      ON CONFLICT (deployment_name, number, node_id) DO UPDATE SET node = excluded.node`;
  if (removed.length > 0)
    await tx.$executeRaw`
      DELETE FROM rollout_nodes
      WHERE deployment_name = ${deployment} AND number = ${number} AND node_id = ANY(${[...removed]}::text[])`;
}

async function replace(
  tx: Transaction,
  deployment: string,
  of: { readonly number: number; readonly record: RolloutRecord; readonly isNewPhase: boolean },
): Promise<void> {
  const { number, record, isNewPhase } = of;
  const isEnded = ENDED_PHASES.includes(record.phase);
  await tx.$executeRaw`
    UPDATE rollouts SET record = ${withoutNodes(record)}::jsonb, revision = revision + 1,
      phase_at = CASE WHEN ${isNewPhase} THEN now() ELSE phase_at END,
      ended_at = CASE WHEN ${isEnded} THEN coalesce(ended_at, now()) ELSE NULL END
    WHERE deployment_name = ${deployment} AND number = ${number}`;
}

async function insert(
  tx: Transaction,
  deployment: string,
  { number, record }: { readonly number: number; readonly record: RolloutRecord },
): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO rollouts (deployment_name, number, record) VALUES (${deployment}, ${number}, ${withoutNodes(record)}::jsonb)`;
  await tx.$executeRaw`DELETE FROM rollouts WHERE deployment_name = ${deployment} AND number <= ${number - MAX_KEPT}`;
}
