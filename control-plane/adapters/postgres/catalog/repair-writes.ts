import type * as Rows from "../../../../prisma/generated/client.ts";
import type { BundleFile } from "../../../../shared/protocol/model-files/bundle.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import type { NewEvent } from "../../../ports/events.ts";
import type { Transaction } from "../database.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";

/** How long an upload may take before it is rejected: long enough to go on the next morning with what a cut left. */
export const UPLOAD_LIFE = "24 hours";

/** The version stays what it is; its files come again. Returns the id of the upload: of one that was cut, if there is one. */
export async function beginRepair(
  tx: Transaction,
  {
    damaged,
    declared,
    actor,
  }: {
    damaged: Rows.ModelVersion;
    declared: { readonly files: readonly BundleFile[]; readonly uploadId: string };
    actor: Actor;
  },
): Promise<string> {
  const { modelName: model, version, damage } = damaged;
  const { files, uploadId } = declared;
  const repair = JSON.stringify(files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })));
  const [begun] = await tx.$queryRaw<{ id: string }[]>`
    UPDATE uploads SET expires_at = now() + ${UPLOAD_LIFE}::interval
    WHERE model_name = ${model} AND version = ${version} AND repair = ${repair}::jsonb RETURNING id`;
  if (begun) return begun.id;
  await tx.$executeRaw`DELETE FROM uploads WHERE model_name = ${model} AND version = ${version}`;
  await tx.$executeRaw`
    INSERT INTO uploads (id, model_name, version, expires_at, repair)
    VALUES (${uploadId}, ${model}, ${version}, now() + ${UPLOAD_LIFE}::interval, ${repair}::jsonb)`;
  await audit(tx, actor, { action: "version.repair", target: `model/${model}`, detail: { version, damage } });
  const message = `${actor.name} sends the bytes of ${model}:${version} again: ${damage ?? ""}`;
  await appendEvents(tx, [{ type: "Normal", reason: "ModelRepairBegun", object: `model/${model}`, message }], {
    models: [model],
  });
  return uploadId;
}

/** Ends the upload of a repair, whichever way. False when it is none. */
export async function endRepair(tx: Transaction, uploadId: string, event: NewEvent): Promise<boolean> {
  const [ended] = await tx.$queryRaw<{ model: string }[]>`
    DELETE FROM uploads WHERE id = ${uploadId} AND repair IS NOT NULL RETURNING model_name AS model`;
  if (!ended) return false;
  await appendEvents(tx, [event], { models: [ended.model] });
  return true;
}
