import type { Actor } from "../../../ports/audit.ts";
import type { Transaction } from "../database.ts";
import { holdsLease } from "../fleet/leadership-store.ts";

/** What somebody did through the API: `action` is `<object>.<verb>`, `target` is `<object>/<name>`. */
export interface AuditedChange {
  readonly action: string;
  readonly target: string;
  readonly detail?: Record<string, unknown>;
}

/**
 * Writes the audit row of a change, in the change's own transaction. Every change that an actor causes has one, so this is also
 * where the actor's lease is compared: throws when it is not held, and the change is undone with the transaction.
 */
export async function audit(
  tx: Transaction,
  actor: Actor,
  { action, target, detail = {} }: AuditedChange,
): Promise<void> {
  const { name, keyId, address, requestId, lease } = actor;
  if (lease && !(await holdsLease(tx, lease)))
    throw new Error("this replica does not lead any more: nothing was changed");
  await tx.$executeRaw`
    INSERT INTO audit_log (actor, key_id, address, request_id, action, target, detail)
    VALUES (${name}, ${keyId}, ${address}, ${requestId}, ${action}, ${target}, ${JSON.stringify(detail)}::jsonb)`;
}
