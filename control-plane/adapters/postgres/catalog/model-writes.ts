import type { Model } from "../../../../shared/api/v1/models.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Actor } from "../../../ports/audit.ts";
import { toModel, WITH_MODEL } from "./catalog-rows.ts";
import type { Transaction } from "../database.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";

interface NamedLabels {
  readonly name: string;
  readonly labels: Record<string, string>;
}

export async function createModel(tx: Transaction, { name, labels }: NamedLabels, actor: Actor): Promise<Model> {
  const inserted = await tx.$executeRaw`
    INSERT INTO models (name, labels) VALUES (${name}, ${JSON.stringify(labels)}::jsonb) ON CONFLICT DO NOTHING`;
  if (inserted === 0) throw new SkerryError("CONFLICT", `a model named ${name} exists already`);
  await audit(tx, actor, { action: "model.create", target: `model/${name}`, detail: { labels } });
  await tellOf(tx, name, { reason: "ModelCreated", message: `${actor.name} created the model ${name}` });
  return toModel(await tx.model.findUniqueOrThrow({ where: { name }, include: WITH_MODEL }));
}

export async function patchModel(tx: Transaction, { name, labels }: NamedLabels, actor: Actor): Promise<Model> {
  const updated = await tx.model.updateMany({ where: { name }, data: { labels } });
  if (updated.count === 0) throw noSuchModel(name);
  await audit(tx, actor, { action: "model.update", target: `model/${name}`, detail: { labels } });
  await tellOf(tx, name, { reason: "ModelChanged", message: `${actor.name} changed the labels of the model ${name}` });
  return toModel(await tx.model.findUniqueOrThrow({ where: { name }, include: WITH_MODEL }));
}

/** The model's lock keeps new deployments of it out: they lock it too, before they are inserted. */
export async function deleteModel(tx: Transaction, name: string, actor: Actor): Promise<void> {
  await lockModel(tx, name);
  const users = await tx.$queryRaw<{ name: string }[]>`
    SELECT name FROM deployments WHERE spec->>'model' = ${name} ORDER BY name`;
  if (users.length > 0) {
    const names = users.map((user) => user.name).join(", ");
    throw new SkerryError("CONFLICT", `the model ${name} is used by the deployments ${names}: delete them first`);
  }
  const versions = await tx.modelVersion.findMany({ where: { modelName: name }, select: { artifactDigest: true } });
  const artifacts = versions.flatMap(({ artifactDigest }) => artifactDigest ?? []);
  await tx.modelVersion.deleteMany({ where: { modelName: name } });
  await tx.$executeRaw`
    DELETE FROM artifacts a WHERE digest = ANY(${artifacts}::text[])
      AND NOT EXISTS (SELECT 1 FROM model_versions v WHERE v.artifact_digest = a.digest)`;
  await tx.model.delete({ where: { name } });
  await audit(tx, actor, { action: "model.delete", target: `model/${name}`, detail: { versions: versions.length } });
  await tellOf(tx, name, {
    reason: "ModelDeleted",
    message: `${actor.name} deleted the model ${name} with its versions`,
  });
}

/** Throws `NOT_FOUND`. */
export async function lockModel(tx: Transaction, name: string): Promise<void> {
  const rows = await tx.$queryRaw<unknown[]>`SELECT 1 AS known FROM models WHERE name = ${name} FOR UPDATE`;
  if (rows.length === 0) throw noSuchModel(name);
}

const noSuchModel = (name: string): SkerryError => new SkerryError("NOT_FOUND", `there is no model ${name}`);

const tellOf = (tx: Transaction, name: string, event: { reason: string; message: string }): Promise<void> =>
  appendEvents(tx, [{ type: "Normal", object: `model/${name}`, ...event }], { models: [name] });
