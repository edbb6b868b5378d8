import { Prisma } from "../../../../prisma/generated/client.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import type { Transaction } from "../database.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";
import { raiseDesiredRev } from "../fleet/desired-rev.ts";
import { requireOwner } from "../owner.ts";
import { ARTIFACTS, deleteArtifacts, lockModel, ownerOf } from "./model-writes.ts";

/**
 * Forgets what a version is made of. Its row stays `archived`, so that its number is never given again. Throws `NOT_FOUND`, and
 * `CONFLICT` that names what needs it: an alias, a deployment or its rollout, a placement, an upload in its check.
 */
export async function deleteVersion(
  tx: Transaction,
  { model, version }: { readonly model: string; readonly version: number },
  actor: Actor,
): Promise<void> {
  const name = `${model}:${version}`;
  await lockModel(tx, model);
  const [row] = await tx.$queryRaw<{ state: string; artifacts: (string | null)[] }[]>`
    SELECT state, ${ARTIFACTS} AS artifacts FROM model_versions
    WHERE model_name = ${model} AND version = ${version} FOR UPDATE`;
  if (!row || row.state === "archived")
    throw new SkerryError("NOT_FOUND", `the model ${model} has no version ${version}`);
  if (row.state === "checking") throw new SkerryError("CONFLICT", `${name} is in its check: wait until that has ended`);
  await refuseIfNeeded(tx, { model, version });
  await tx.$executeRaw`DELETE FROM uploads WHERE model_name = ${model} AND version = ${version}`;
  await tx.$executeRaw`
    UPDATE model_versions SET state = 'archived', artifact_digest = NULL, files = '[]'::jsonb, variants = '[]'::jsonb
    WHERE model_name = ${model} AND version = ${version}`;
  await deleteArtifacts(tx, row.artifacts);
  await audit(tx, actor, { action: "version.delete", target: `model/${model}`, detail: { version } });
  const message = `${actor.name} deleted ${name}`;
  await appendEvents(tx, [{ type: "Normal", reason: "ModelVersionDeleted", object: `model/${model}`, message }]);
}

async function refuseIfNeeded(tx: Transaction, { model, version }: { model: string; version: number }): Promise<void> {
  const needs = await tx.$queryRaw<{ what: string }[]>`
    SELECT 'the alias ' || alias AS what FROM aliases WHERE model_name = ${model} AND version = ${version}
    UNION ALL
    SELECT 'the deployment ' || name FROM deployments
    WHERE spec->>'model' = ${model} AND spec->>'version' = ${String(version)}
    UNION ALL
    SELECT 'the rollout of ' || r.deployment_name FROM rollouts r
    WHERE r.record->>'model' = ${model} AND ${version} IN ((r.record->>'from')::int, (r.record->>'to')::int)
      AND (r.record->>'current')::boolean
      AND r.number = (SELECT max(number) FROM rollouts n WHERE n.deployment_name = r.deployment_name)
      AND CASE r.record->>'phase' WHEN 'promoted' THEN (r.record->>'to')::int = ${version}
        WHEN 'rolled-back' THEN (r.record->>'from')::int = ${version} ELSE true END
    UNION ALL
    SELECT DISTINCT 'a placement on ' || n.name FROM placements p JOIN nodes n ON n.id = p.node_id
    WHERE p.model_name = ${model} AND p.version = ${version} AND p.wanted <> 'gone' AND NOT n.revoked
    LIMIT 10`;
  if (needs.length === 0) return;
  const names = needs.map(({ what }) => what).join(", ");
  throw new SkerryError("CONFLICT", `${model}:${version} is needed by ${names}: change or delete them first`);
}

/** Throws `NOT_FOUND`, and `CONFLICT` naming the deployments that ask for it. */
export async function deleteAlias(
  tx: Transaction,
  { model, alias }: { readonly model: string; readonly alias: string },
  actor: Actor,
): Promise<void> {
  requireOwner(ownerOf(model, await lockModel(tx, model)), actor);
  const users = await tx.$queryRaw<{ name: string }[]>`
    SELECT name FROM deployments WHERE spec->>'model' = ${model} AND spec->>'version' = ${alias} ORDER BY name`;
  if (users.length > 0) {
    const names = users.map(({ name }) => name).join(", ");
    throw new SkerryError(
      "CONFLICT",
      `the alias ${alias} of ${model} is used by the deployments ${names}: change them first`,
    );
  }
  const [gone] = await tx.$queryRaw<{ version: number }[]>`
    DELETE FROM aliases WHERE model_name = ${model} AND alias = ${alias} RETURNING version`;
  if (!gone) throw new SkerryError("NOT_FOUND", `the model ${model} has no alias ${alias}`);
  await raiseDesiredRev(tx, Prisma.sql`model_name = ${model} AND version = ${gone.version}`);
  await audit(tx, actor, { action: "alias.delete", target: `model/${model}`, detail: { alias, before: gone.version } });
  const message = `${actor.name} deleted the alias ${alias} of ${model}, which named version ${gone.version}`;
  await appendEvents(tx, [{ type: "Normal", reason: "AliasDeleted", object: `model/${model}`, message }]);
}
