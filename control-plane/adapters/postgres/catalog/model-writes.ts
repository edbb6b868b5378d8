import { Prisma } from "../../../../prisma/generated/client.ts";
import type { Model } from "../../../../shared/api/v1/models.ts";
import { canonicalJson } from "../../../../shared/base/digest.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import { toModel, WITH_MODEL } from "./catalog-rows.ts";
import type { Transaction } from "../database.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";
import { requireOwner } from "../owner.ts";

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

/** Makes the model, or takes it over, and gives it these labels. */
export async function declareModel(tx: Transaction, { name, labels }: NamedLabels, actor: Actor): Promise<Model> {
  const kubernetesNamespace = actor.kubernetesNamespace ?? null;
  const inserted = await tx.$executeRaw`INSERT INTO models (name) VALUES (${name}) ON CONFLICT DO NOTHING`;
  const before = await lockModel(tx, name);
  if (before.namespace !== null) requireOwner(ownerOf(name, before), actor);
  const isSame = canonicalJson(before.labels) === canonicalJson(labels) && before.namespace === kubernetesNamespace;
  if (inserted === 1 || !isSame) {
    await tx.model.update({ where: { name }, data: { labels, kubernetesNamespace } });
    await audit(tx, actor, { action: "model.declare", target: `model/${name}`, detail: { labels } });
    const reason = inserted === 1 ? "ModelCreated" : "ModelChanged";
    await tellOf(tx, name, { reason, message: `the Model ${name} in Kubernetes declares the model's labels` });
  }
  return toModel(await tx.model.findUniqueOrThrow({ where: { name }, include: WITH_MODEL }));
}

export async function releaseModel(tx: Transaction, name: string, actor: Actor): Promise<void> {
  const released = await tx.model.updateMany({
    where: { name, kubernetesNamespace: actor.kubernetesNamespace ?? null },
    data: { kubernetesNamespace: null },
  });
  if (released.count === 0) return;
  await audit(tx, actor, { action: "model.release", target: `model/${name}` });
  const message = `the Model ${name} in Kubernetes is gone: the model stays, and the API may change it`;
  await tellOf(tx, name, { reason: "ModelReleased", message });
}

export async function patchModel(tx: Transaction, { name, labels }: NamedLabels, actor: Actor): Promise<Model> {
  requireOwner(ownerOf(name, await lockModel(tx, name)), actor);
  await tx.model.update({ where: { name }, data: { labels } });
  await audit(tx, actor, { action: "model.update", target: `model/${name}`, detail: { labels } });
  await tellOf(tx, name, { reason: "ModelChanged", message: `${actor.name} changed the labels of the model ${name}` });
  return toModel(await tx.model.findUniqueOrThrow({ where: { name }, include: WITH_MODEL }));
}

/** The model's lock keeps new deployments of it out: they lock it too, before they are inserted. */
export async function deleteModel(tx: Transaction, name: string, actor: Actor): Promise<void> {
  requireOwner(ownerOf(name, await lockModel(tx, name)), actor);
  const users = await tx.$queryRaw<{ name: string }[]>`
    SELECT name FROM deployments WHERE spec->>'model' = ${name} ORDER BY name`;
  if (users.length > 0) {
    const names = users.map((user) => user.name).join(", ");
    throw new SkerryError("CONFLICT", `the model ${name} is used by the deployments ${names}: delete them first`);
  }
  const versions = await tx.$queryRaw<{ artifacts: (string | null)[] }[]>`
    SELECT ${ARTIFACTS} AS artifacts FROM model_versions WHERE model_name = ${name}`;
  await tx.modelVersion.deleteMany({ where: { modelName: name } });
  await deleteArtifacts(
    tx,
    versions.flatMap(({ artifacts }) => artifacts),
  );
  await tx.model.delete({ where: { name } });
  await audit(tx, actor, { action: "model.delete", target: `model/${name}`, detail: { versions: versions.length } });
  await tellOf(tx, name, {
    reason: "ModelDeleted",
    message: `${actor.name} deleted the model ${name} with its versions`,
  });
}

/** Digests of all artifacts of a version: its own, and those of its variants. */
export const ARTIFACTS = Prisma.sql`ARRAY[artifact_digest] || ARRAY(SELECT jsonb_array_elements(variants)->>'artifact')`;

/** Those that no version has any more. */
export async function deleteArtifacts(tx: Transaction, digests: readonly (string | null)[]): Promise<void> {
  const known = digests.filter((digest) => digest !== null);
  await tx.$executeRaw`
    DELETE FROM artifacts a WHERE digest = ANY(${known}::text[])
      AND NOT EXISTS (SELECT 1 FROM model_versions v WHERE v.artifact_digest = a.digest
        OR v.variants @> jsonb_build_array(jsonb_build_object('artifact', a.digest)))`;
}

interface LockedModel {
  readonly labels: unknown;
  readonly namespace: string | null;
}

/** Throws `NOT_FOUND`. */
export async function lockModel(tx: Transaction, name: string): Promise<LockedModel> {
  const [row] = await tx.$queryRaw<LockedModel[]>`
    SELECT labels, kubernetes_namespace AS namespace FROM models WHERE name = ${name} FOR UPDATE`;
  if (!row) throw noSuchModel(name);
  return row;
}

/** For `requireOwner`. */
export const ownerOf = (name: string, { namespace }: LockedModel) => ({
  what: `the model ${name}`,
  kind: "Model",
  namespace,
});

const noSuchModel = (name: string): SkerryError => new SkerryError("NOT_FOUND", `there is no model ${name}`);

const tellOf = (tx: Transaction, name: string, event: { reason: string; message: string }): Promise<void> =>
  appendEvents(tx, [{ type: "Normal", object: `model/${name}`, ...event }], { models: [name] });
