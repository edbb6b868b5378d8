import { cloudPoolSpec, type CloudPoolSpec } from "../../../../shared/api/v1/nodes/cloud-pools.ts";
import { canonicalJson } from "../../../../shared/base/digest.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import type { DeclaredPool, PoolDeclarations } from "../../../ports/cloud/cloud-pool.ts";
import type { Database, Transaction } from "../database.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";
import { requireOwner } from "../owner.ts";
import { requireVersion } from "../row-version.ts";

interface Row {
  readonly name: string;
  readonly spec: unknown;
  readonly rowVersion: number;
  readonly namespace: string | null;
}

/** Pools of cloud nodes, as operators declare them. */
export class PostgresPoolDeclarations implements PoolDeclarations {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async list(): Promise<readonly DeclaredPool[]> {
    const rows = await this.#database.run(
      (client) => client.$queryRaw<Row[]>`
        SELECT name, spec, row_version AS "rowVersion", kubernetes_namespace AS namespace FROM declared_pools ORDER BY name`,
    );
    return rows.map(({ spec, rowVersion, namespace }) => ({
      spec: cloudPoolSpec.parse(spec),
      rowVersion,
      kubernetesNamespace: namespace,
    }));
  }

  put(
    spec: CloudPoolSpec,
    { actor, ifMatch }: { readonly actor: Actor; readonly ifMatch: number | null | undefined },
  ): Promise<{ readonly created: boolean; readonly rowVersion: number }> {
    return this.#database.transaction(async (tx) => {
      const { name } = spec;
      const rows = await lockAll(tx);
      const before = rows.find((row) => row.name === name);
      requireVersion(`the pool ${name}`, before?.rowVersion, ifMatch);
      const owner = actor.kubernetesNamespace ?? null;
      const isSame = before !== undefined && canonicalJson(cloudPoolSpec.parse(before.spec)) === canonicalJson(spec);
      if (before && !(isSame && before.namespace === null)) requireOwner(ownerOf(before), actor);
      if (before && isSame && before.namespace === owner) return { created: false, rowVersion: before.rowVersion };
      requireAlone(spec, rows);
      const rowVersion = (before?.rowVersion ?? 0) + 1;
      await tx.$executeRaw`
        INSERT INTO declared_pools (name, spec, row_version, kubernetes_namespace)
        VALUES (${name}, ${JSON.stringify(spec)}::jsonb, ${rowVersion}, ${owner})
        ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, row_version = excluded.row_version,
          kubernetes_namespace = excluded.kubernetes_namespace`;
      const target = `pool/${name}`;
      await audit(tx, actor, {
        action: before ? "pool.update" : "pool.create",
        target,
        detail: { before: before ? cloudPoolSpec.parse(before.spec) : null, after: spec },
      });
      const message = `${actor.name} ${before ? "changed" : "declared"} the pool ${name}: ${spec.min} to ${spec.max} pods of ${spec.namespace}/${spec.deployment}`;
      const reason = before ? "PoolChanged" : "PoolCreated";
      await appendEvents(tx, [{ type: "Normal", reason, object: target, message }]);
      return { created: !before, rowVersion };
    });
  }

  delete(
    name: string,
    { actor, ifMatch }: { readonly actor: Actor; readonly ifMatch: number | undefined },
  ): Promise<void> {
    return this.#database.transaction(async (tx) => {
      const before = (await lockAll(tx)).find((row) => row.name === name);
      if (!before) throw new SkerryError("NOT_FOUND", `there is no pool ${name}`);
      requireVersion(`the pool ${name}`, before.rowVersion, ifMatch);
      requireOwner(ownerOf(before), actor);
      await tx.$executeRaw`DELETE FROM declared_pools WHERE name = ${name}`;
      const target = `pool/${name}`;
      await audit(tx, actor, {
        action: "pool.delete",
        target,
        detail: { before: cloudPoolSpec.parse(before.spec), after: null },
      });
      const message = `${actor.name} deleted the pool ${name}: its pods stay, and nobody scales them`;
      await appendEvents(tx, [{ type: "Normal", reason: "PoolDeleted", object: target, message }]);
    });
  }
}

/** All at once: whether a Deployment is scaled twice is a question about all of them. They are few. */
async function lockAll(tx: Transaction): Promise<readonly Row[]> {
  await tx.$executeRaw`LOCK TABLE declared_pools IN SHARE ROW EXCLUSIVE MODE`;
  return tx.$queryRaw<Row[]>`
    SELECT name, spec, row_version AS "rowVersion", kubernetes_namespace AS namespace FROM declared_pools ORDER BY name`;
}

function requireAlone({ name, namespace, deployment }: CloudPoolSpec, rows: readonly Row[]): void {
  const other = rows.find((row) => {
    const spec = cloudPoolSpec.parse(row.spec);
    return row.name !== name && spec.namespace === namespace && spec.deployment === deployment;
  });
  if (!other) return;
  throw new SkerryError(
    "CONFLICT",
    `the pool ${other.name} scales ${namespace}/${deployment} already: two would undo each other's work`,
  );
}

const ownerOf = ({ name, namespace }: Row) => ({ what: `the pool ${name}`, kind: "CloudPool", namespace });
