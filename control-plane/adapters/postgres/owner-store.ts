import type { Actor } from "../../ports/access/audit.ts";
import type { OwnerStore } from "../../ports/cloud/custom-resources.ts";
import type { Database, Transaction } from "./database.ts";
import { audit } from "./events/audit.ts";
import { appendEvents } from "./events/events.ts";

/** Of each kind in one transaction, which ends in time however many there are. */
const AT_ONCE = 50;

interface Owned {
  readonly name: string;
  readonly namespace: string;
}

/** What custom resources declared, over all kinds. */
export class PostgresOwnerStore implements OwnerStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  releaseOthers(namespace: string | undefined, actor: Actor): Promise<number> {
    const kept = namespace ?? null;
    return this.#database.transaction(async (tx) => {
      const models = await tx.$queryRaw<Owned[]>`
        SELECT name, kubernetes_namespace AS namespace FROM models
        WHERE kubernetes_namespace IS NOT NULL AND kubernetes_namespace IS DISTINCT FROM ${kept}
        ORDER BY name LIMIT ${AT_ONCE} FOR UPDATE`;
      const deployments = await tx.$queryRaw<Owned[]>`
        SELECT name, kubernetes_namespace AS namespace FROM deployments
        WHERE kubernetes_namespace IS NOT NULL AND kubernetes_namespace IS DISTINCT FROM ${kept}
        ORDER BY name LIMIT ${AT_ONCE} FOR UPDATE`;
      const nodes = await tx.$queryRaw<(Owned & { readonly id: string })[]>`
        SELECT id, name, kubernetes_namespace AS namespace FROM nodes
        WHERE kubernetes_namespace IS NOT NULL AND kubernetes_namespace IS DISTINCT FROM ${kept}
        ORDER BY id LIMIT ${AT_ONCE} FOR NO KEY UPDATE`;
      const pools = await tx.$queryRaw<Owned[]>`
        SELECT name, kubernetes_namespace AS namespace FROM declared_pools
        WHERE kubernetes_namespace IS NOT NULL AND kubernetes_namespace IS DISTINCT FROM ${kept}
        ORDER BY name LIMIT ${AT_ONCE} FOR UPDATE`;
      if (deployments.length + models.length + nodes.length + pools.length === 0) return 0;
      const free = { kubernetesNamespace: null };
      await tx.deployment.updateMany({ where: { name: { in: namesOf(deployments) } }, data: free });
      await tx.model.updateMany({ where: { name: { in: namesOf(models) } }, data: free });
      const ofNodes = { ...free, rowVersion: { increment: 1 } };
      await tx.node.updateMany({ where: { name: { in: namesOf(nodes) } }, data: ofNodes });
      await tx.$executeRaw`
        UPDATE declared_pools SET kubernetes_namespace = NULL, row_version = row_version + 1
        WHERE name = ANY(${namesOf(pools)}::text[])`;
      const events = [
        ...(await tell(tx, deployments, { actor, kind: "deployment", reason: "DeploymentReleased" })),
        ...(await tell(tx, models, { actor, kind: "model", reason: "ModelReleased" })),
        ...(await tell(tx, pools, { actor, kind: "pool", reason: "PoolReleased" })),
        ...(await tell(tx, nodes, { actor, kind: "node", reason: "NodeChanged" })),
      ];
      await appendEvents(tx, events, {
        deployments: namesOf(deployments),
        models: namesOf(models),
        nodes: nodes.map(({ id }) => id),
      });
      return events.length;
    });
  }
}

const namesOf = (owned: readonly Owned[]): string[] => owned.map(({ name }) => name);

/** Writes the audit rows; returns the events. */
async function tell(
  tx: Transaction,
  owned: readonly Owned[],
  { actor, kind, reason }: { readonly actor: Actor; readonly kind: string; readonly reason: string },
) {
  for (const { name } of owned) await audit(tx, actor, { action: `${kind}.release`, target: `${kind}/${name}` });
  return owned.map(({ name, namespace }) => ({
    type: "Normal" as const,
    reason,
    object: `${kind}/${name}`,
    message: `custom resources of the namespace ${namespace} are not carried out any more: the ${kind} ${name} stays as it is, and the API may change it`,
  }));
}
