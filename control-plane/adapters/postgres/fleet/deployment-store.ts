import { Prisma } from "../../../../prisma/generated/client.ts";
import { deploymentSpec, type DeploymentSpec } from "../../../../shared/api/v1/deployments/deployment-spec.ts";
import { canonicalJson, digestOf } from "../../../../shared/base/digest.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { DeploymentStore } from "../../../ports/catalog/catalog.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import { RetryTransaction } from "../database-errors.ts";
import type { Database, Transaction } from "../database.ts";
import { raiseDesiredRev } from "./desired-rev.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";
import { removeAll } from "./remove-placement.ts";
import { requireOwner } from "../owner.ts";
import { requireVersion } from "../row-version.ts";
import { forgetFailedLoads } from "./nodes/version-history.ts";

interface Context<IfMatch = number> {
  readonly actor: Actor;
  readonly ifMatch: IfMatch | undefined;
}

type Put = Awaited<ReturnType<DeploymentStore["put"]>>;

interface LockedDeployment {
  readonly spec: unknown;
  readonly generation: number;
  readonly rowVersion: number;
  readonly namespace: string | null;
}

/** Desired state, as operators declare it. */
export class PostgresDeploymentStore implements DeploymentStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  put(spec: DeploymentSpec, context: Context<number | null>): Promise<Put> {
    return this.#database.transaction(async (tx) => {
      // Before the deployment, as deleteModel does, so that a model never goes while a deployment of it comes.
      await requireModel(tx, spec.model);
      const before = await lock(tx, spec.name);
      requireVersion(`the deployment ${spec.name}`, before?.rowVersion, context.ifMatch);
      return before ? replace(tx, { spec, before, actor: context.actor }) : create(tx, spec, context.actor);
    });
  }

  delete(name: string, { actor, ifMatch }: Context): Promise<void> {
    return this.#database.transaction(async (tx) => {
      const before = await lock(tx, name);
      if (!before) throw new SkerryError("NOT_FOUND", `there is no deployment ${name}`);
      requireVersion(`the deployment ${name}`, before.rowVersion, ifMatch);
      requireOwner(ownerOf(name, before), actor);
      const nodes = await removeAll(tx, { deployment: name });
      await tx.deployment.delete({ where: { name } });
      await audit(tx, actor, {
        action: "deployment.delete",
        target: `deployment/${name}`,
        detail: { before: digestOfSpec(before.spec), after: null },
      });
      const message = `${actor.name} deleted the deployment ${name}: its placements leave their nodes`;
      await appendEvents(tx, [{ type: "Normal", reason: "DeploymentDeleted", object: `deployment/${name}`, message }], {
        deployments: [name],
        nodes,
      });
    });
  }

  retry(name: string, actor: Actor): Promise<number> {
    return this.#database.transaction(async (tx) => {
      if (!(await lock(tx, name))) throw new SkerryError("NOT_FOUND", `there is no deployment ${name}`);
      const failed = Prisma.sql`deployment_name = ${name} AND state = 'failed' AND wanted <> 'gone'`;
      const nodes = await raiseDesiredRev(tx, failed);
      const retried = await tx.$executeRaw`
        UPDATE placements SET generation = generation + 1, state = 'offered', state_since = now(),
          failure_code = NULL, failure_detail = NULL, rss_mib = NULL, warm_us = NULL
        WHERE ${failed}`;
      const model = Prisma.sql`(SELECT spec->>'model' FROM deployments WHERE name = ${name})`;
      const forgiven = await forgetFailedLoads(tx, model);
      if (retried + forgiven.length === 0) return 0;
      await audit(tx, actor, { action: "deployment.retry", target: `deployment/${name}`, detail: { retried } });
      const replicas = retried === 1 ? "1 failed replica" : `${retried} failed replicas`;
      const message =
        retried > 0
          ? `${actor.name} had ${replicas} of ${name} tried again`
          : `${actor.name} let ${name} be tried again where it failed to load`;
      await appendEvents(tx, [{ type: "Normal", reason: "PlacementRetried", object: `deployment/${name}`, message }], {
        nodes: [...new Set([...nodes, ...forgiven])],
      });
      return retried;
    });
  }

  release(name: string, actor: Actor): Promise<void> {
    return this.#database.transaction(async (tx) => {
      const before = await lock(tx, name);
      if (!before || before.namespace === null || before.namespace !== actor.kubernetesNamespace) return;
      await own(tx, name, null);
      await audit(tx, actor, { action: "deployment.release", target: `deployment/${name}` });
      const message = `the ModelDeployment ${name} is gone: the deployment stays, and the API declares it now`;
      await appendEvents(
        tx,
        [{ type: "Normal", reason: "DeploymentReleased", object: `deployment/${name}`, message }],
        {
          deployments: [name],
        },
      );
    });
  }

  async rowVersion(name: string): Promise<number | null> {
    const row = await this.#database.run((client) =>
      client.deployment.findUnique({ where: { name }, select: { rowVersion: true } }),
    );
    return row?.rowVersion ?? null;
  }
}

async function create(tx: Transaction, spec: DeploymentSpec, actor: Actor): Promise<Put> {
  const { name } = spec;
  const inserted = await tx.$executeRaw`
    INSERT INTO deployments (name, spec, kubernetes_namespace)
    VALUES (${name}, ${JSON.stringify(spec)}::jsonb, ${actor.kubernetesNamespace ?? null}) ON CONFLICT DO NOTHING`;
  if (inserted === 0) throw new RetryTransaction(`the deployment ${name} was created at the same time`);
  await audit(tx, actor, {
    action: "deployment.create",
    target: `deployment/${name}`,
    detail: { before: null, after: digestOfSpec(spec), generation: 1 },
  });
  const message = `${actor.name} declared the deployment ${name} of ${spec.model} at version ${spec.version}`;
  await appendEvents(tx, [{ type: "Normal", reason: "DeploymentCreated", object: `deployment/${name}`, message }], {
    deployments: [name],
  });
  return { created: true, changed: true, generation: 1, rowVersion: 1 };
}

async function replace(
  tx: Transaction,
  { spec, before, actor }: { spec: DeploymentSpec; before: LockedDeployment; actor: Actor },
): Promise<Put> {
  const { name } = spec;
  const was = digestOfSpec(before.spec);
  const is = digestOfSpec(spec);
  if (was === is && before.namespace === null && actor.kubernetesNamespace !== undefined) await adopt(tx, name, actor);
  else requireOwner(ownerOf(name, before), actor);
  if (was === is)
    return { created: false, changed: false, generation: before.generation, rowVersion: before.rowVersion };
  const generation = before.generation + 1;
  const rowVersion = before.rowVersion + 1;
  await tx.deployment.update({ where: { name }, data: { spec, generation, rowVersion } });
  // limits and residency stand in the documents
  const nodes = await raiseDesiredRev(tx, Prisma.sql`deployment_name = ${name}`);
  await audit(tx, actor, {
    action: "deployment.update",
    target: `deployment/${name}`,
    detail: { before: was, after: is, generation },
  });
  const message = `${actor.name} changed the deployment ${name}, which is at generation ${generation} now`;
  await appendEvents(tx, [{ type: "Normal", reason: "DeploymentChanged", object: `deployment/${name}`, message }], {
    deployments: [name],
    nodes,
  });
  return { created: false, changed: true, generation, rowVersion };
}

/** What was declared through the API word for word as a custom resource declares it belongs to that from now on. */
async function adopt(tx: Transaction, name: string, actor: Actor): Promise<void> {
  await own(tx, name, actor.kubernetesNamespace ?? null);
  await audit(tx, actor, { action: "deployment.adopt", target: `deployment/${name}` });
  const message = `the ModelDeployment ${name} took over the deployment, which it declares in the same words`;
  await appendEvents(tx, [{ type: "Normal", reason: "DeploymentAdopted", object: `deployment/${name}`, message }], {
    deployments: [name],
  });
}

const own = (tx: Transaction, name: string, kubernetesNamespace: string | null) =>
  tx.deployment.update({ where: { name }, data: { kubernetesNamespace } });

const ownerOf = (name: string, { namespace }: LockedDeployment) => ({
  what: `the deployment ${name}`,
  kind: "ModelDeployment",
  namespace,
});

async function requireModel(tx: Transaction, model: string): Promise<void> {
  const rows = await tx.$queryRaw<unknown[]>`SELECT 1 AS known FROM models WHERE name = ${model} FOR SHARE`;
  if (rows.length === 0) throw new SkerryError("NOT_FOUND", `there is no model ${model}: push it first`);
}

async function lock(tx: Transaction, name: string): Promise<LockedDeployment | undefined> {
  const rows = await tx.$queryRaw<LockedDeployment[]>`
    SELECT spec, generation, row_version AS "rowVersion", kubernetes_namespace AS namespace FROM deployments WHERE name = ${name} FOR UPDATE`;
  return rows[0];
}

/** Of the spec with its defaults, so that a default that came later makes no old spec look changed. */
const digestOfSpec = (spec: unknown): string => digestOf(canonicalJson(deploymentSpec.parse(spec)));
