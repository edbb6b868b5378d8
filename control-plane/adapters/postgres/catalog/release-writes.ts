import { Prisma } from "../../../../prisma/generated/client.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { CatalogStore } from "../../../ports/catalog/catalog.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import type { NewEvent } from "../../../ports/events.ts";
import type { Transaction } from "../database.ts";
import { raiseDesiredRev } from "../fleet/desired-rev.ts";
import { audit } from "../events/audit.ts";
import { appendEvents } from "../events/events.ts";

/** See `CatalogStore.signVersion`. */
export async function signVersion(
  tx: Transaction,
  { model, version, artifact, release }: Parameters<CatalogStore["signVersion"]>[0],
  { actor, event }: { actor: Actor; event: NewEvent },
): Promise<void> {
  const signed = await tx.$executeRaw`
    UPDATE model_versions SET release = ${JSON.stringify(release)}::jsonb
    WHERE model_name = ${model} AND version = ${version} AND state = 'ready' AND artifact_digest = ${artifact}`;
  if (signed === 0) throw new SkerryError("CONFLICT", `${model}:${version} is not ready, or was deleted meanwhile`);
  const nodes = await raiseDesiredRev(tx, Prisma.sql`model_name = ${model} AND version = ${version}`);
  const { counter, floor, publicKey } = release;
  await audit(tx, actor, {
    action: "version.sign",
    target: `model/${model}`,
    detail: { version, counter, floor, publicKey },
  });
  await appendEvents(tx, [event], { models: [model], nodes });
}
