import { Prisma } from "../../../../prisma/generated/client.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { bundleDigest } from "../../../../shared/protocol/model-files/bundle-digest.ts";
import {
  chunksOf,
  mainFile,
  manifestBytes,
  pipelineFacts,
  type Manifest,
} from "../../../../shared/protocol/model-files/manifest.ts";
import { REFERENCE, type VariantFacts } from "../../../../shared/protocol/model-files/variants.ts";
import type { CatalogStore, CheckedModel, CheckedVariant, DeclaredVersion } from "../../../ports/catalog/catalog.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import type { NewEvent } from "../../../ports/events.ts";
import { toModelVersion } from "./catalog-rows.ts";
import type { Transaction } from "../database.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";
import { lockModel } from "./model-writes.ts";
import { beginRepair, endRepair, UPLOAD_LIFE } from "./repair-writes.ts";

export type NewVersion = Parameters<CatalogStore["declareVersion"]>[0];

/** Assigns the next number, or begins a repair: the model's lock makes parallel declarations take turns. */
export async function declareVersion(tx: Transaction, declared: NewVersion, actor: Actor): Promise<DeclaredVersion> {
  const { model, runtime, main, files, labels, metrics, uploadId } = declared;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const sha256 = bundleDigest(files, main).slice("sha256:".length);
  await lockModel(tx, model);
  const damaged = await tx.modelVersion.findFirst({
    where: { modelName: model, sha256, runtime, main, state: "ready", damage: { not: null } },
    orderBy: { version: "desc" },
  });
  if (damaged)
    return { version: toModelVersion(damaged), uploadId: await beginRepair(tx, { damaged, declared, actor }) };
  const newest = await tx.modelVersion.aggregate({ where: { modelName: model }, _max: { version: true } });
  const version = (newest._max.version ?? 0) + 1;
  const list = files.length === 1 ? [] : [...files];
  const row = await tx.modelVersion.create({
    data: { modelName: model, version, bytes, sha256, runtime, main, files: list, labels, metrics },
  });
  await tx.$executeRaw`
    INSERT INTO uploads (id, model_name, version, expires_at) VALUES (${uploadId}, ${model}, ${version}, now() + ${UPLOAD_LIFE}::interval)`;
  await audit(tx, actor, { action: "version.declare", target: `model/${model}`, detail: { version, bytes, sha256 } });
  const inFiles = files.length === 1 ? "" : ` in ${files.length} files`;
  const message = `${actor.name} declared ${model}:${version} with ${bytes} bytes${inFiles}`;
  await appendEvents(tx, [{ type: "Normal", reason: "ModelVersionDeclared", object: `model/${model}`, message }], {
    models: [model],
  });
  return { version: toModelVersion(row), uploadId };
}

export async function beginCheck(tx: Transaction, uploadId: string): Promise<boolean> {
  const repair = await tx.upload.findFirst({ where: { id: uploadId, repair: { not: Prisma.DbNull } } });
  if (repair) return true;
  const changed = await tx.modelVersion.updateMany({
    where: { upload: { id: uploadId }, state: "uploading" },
    data: { state: "checking" },
  });
  if (changed.count === 0) return false;
  const { modelName } = await tx.upload.findUniqueOrThrow({ where: { id: uploadId } });
  await appendEvents(tx, [], { models: [modelName] });
  return true;
}

/** Throws `CONFLICT` unless the version is in its check: somebody else ended the upload, or deleted the model. */
export async function acceptVersion(
  tx: Transaction,
  { uploadId, checked }: { uploadId: string; checked: CheckedModel },
  event: NewEvent,
): Promise<void> {
  if (await endRepair(tx, uploadId, event)) return;
  const { manifest, artifact, opset, irVersion, producer, inputs, outputs, notes, edited, variants = [] } = checked;
  for (const each of [checked, ...variants]) await insertArtifact(tx, each.artifact, each.manifest);
  // The list says what is in the store; the row's digest stays that of what was sent, so that the same bytes are known again.
  const files = filesOf([manifest, ...variants.map((each) => each.manifest)]);
  const accepted = await tx.modelVersion.updateMany({
    where: { upload: { id: uploadId }, state: "checking" },
    data: {
      state: "ready",
      artifactDigest: artifact,
      ...(manifest.text && { text: manifest.text }),
      ...(manifest.engine && { engine: manifest.engine }),
      ...(manifest.runtime !== "gguf" && !manifest.engine && { opset, irVersion, producer }),
      ...(manifest.encoder && { encoder: manifest.encoder }),
      ...(manifest.pipeline && { pipeline: pipelineFacts.parse(manifest.pipeline) }),
      inputs: [...inputs],
      outputs: [...outputs],
      notes: [...notes],
      ...(variants.length > 0 && { variants: variantRows(checked, variants) }),
      ...(manifest.rows && { rows: manifest.rows }),
      ...(edited && { files, bytes: files.reduce((sum, file) => sum + file.bytes, 0) }),
    },
  });
  if (accepted.count === 0) throw new SkerryError("CONFLICT", `the upload ${uploadId} is not in its check any more`);
  const { modelName } = await tx.upload.delete({ where: { id: uploadId } });
  await appendEvents(tx, [event], { models: [modelName] });
}

/** The files of several graphs, each once. */
function filesOf(manifests: readonly Manifest[]): { path: string; bytes: number; sha256: string }[] {
  const byPath = new Map(manifests.flatMap(({ files }) => files.map((file) => [file.name, file] as const)));
  return [...byPath.values()].map(({ name, size, sha256 }) => ({ path: name, bytes: size, sha256 }));
}

/** The reference first. */
function variantRows(checked: CheckedModel, variants: readonly CheckedVariant[]): VariantFacts[] {
  const reference = { ...checked, name: REFERENCE, accuracy: null };
  return [reference, ...variants].map(({ name, manifest, artifact, opset, irVersion, accuracy }) => ({
    name,
    main: mainFile(manifest),
    bytes: manifest.files.reduce((sum, { size }) => sum + size, 0),
    artifact,
    opset,
    irVersion,
    accuracy,
  }));
}

/** No effect when the upload has ended already. */
export async function rejectVersion(
  tx: Transaction,
  { uploadId, reason }: { uploadId: string; reason: string },
  event: NewEvent,
): Promise<void> {
  if (await endRepair(tx, uploadId, event)) return;
  const rejected = await tx.modelVersion.updateMany({
    where: { upload: { id: uploadId }, state: { in: ["uploading", "checking"] } },
    data: { state: "rejected", reason },
  });
  if (rejected.count === 0) return;
  const { modelName } = await tx.upload.delete({ where: { id: uploadId } });
  await appendEvents(tx, [event], { models: [modelName] });
}

/** Arrays as parameters: a big model has 30,000 chunks, and a statement takes 65,535 values. */
async function insertArtifact(tx: Transaction, digest: string, manifest: Manifest): Promise<void> {
  const bytes = manifest.files.reduce((sum, file) => sum + file.size, 0);
  const inserted = await tx.$executeRaw`
    INSERT INTO artifacts (digest, manifest, bytes) VALUES (${digest}, ${manifestBytes(manifest)}, ${bytes}) ON CONFLICT DO NOTHING`;
  if (inserted === 0) return;
  const chunks = chunksOf(manifest);
  await tx.$executeRaw`
    INSERT INTO chunks (artifact_digest, index, sha256, length)
    SELECT ${digest}, * FROM unnest(
      ${chunks.map(({ index }) => index)}::int[], ${chunks.map(({ sha256 }) => sha256)}::text[], ${chunks.map(({ length }) => length)}::int[])`;
}
