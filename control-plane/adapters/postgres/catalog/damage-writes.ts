import { Prisma } from "../../../../prisma/generated/client.ts";
import type { NewEvent } from "../../../ports/events.ts";
import type { Transaction } from "../database.ts";
import { appendEvents } from "../events/events.ts";
import { raiseDesiredRev } from "../fleet/desired-rev.ts";

/** False when it is known already. */
export async function setDamage(
  tx: Transaction,
  { model, version }: { readonly model: string; readonly version: number },
  { damage, event }: { readonly damage: string | null; readonly event: NewEvent },
): Promise<boolean> {
  const changed = await tx.$executeRaw`
    UPDATE model_versions SET damage = ${damage}
    WHERE model_name = ${model} AND version = ${version} AND damage IS DISTINCT FROM ${damage}`;
  if (changed === 0) return false;
  if (damage === null) {
    const failed = Prisma.sql`model_name = ${model} AND version = ${version} AND wanted <> 'gone'
      AND state = 'failed' AND failure_code = 'DIGEST_MISMATCH'`;
    await raiseDesiredRev(tx, failed);
    await tx.$executeRaw`
      UPDATE placements SET generation = generation + 1, state = 'offered', state_since = now(),
        failure_code = NULL, failure_detail = NULL
      WHERE ${failed}`;
  }
  await appendEvents(tx, [event]);
  return true;
}
