import type { Actor } from "../../../ports/audit.ts";
import type { Transaction } from "../database.ts";

/** What somebody did through the API: `action` is `<object>.<verb>`, `target` is `<object>/<name>`. */
export interface AuditedChange {
  readonly action: string;
  readonly target: string;
  readonly detail?: Record<string, unknown>;
}

/** Writes the audit row of a change, in the change's own transaction. */
export async function audit(
  tx: Transaction,
  actor: Actor,
  { action, target, detail = {} }: AuditedChange,
): Promise<void> {
  const { name, keyId, address, requestId } = actor;
  await tx.$executeRaw`
    INSERT INTO audit_log (actor, key_id, address, request_id, action, target, detail)
    VALUES (${name}, ${keyId}, ${address}, ${requestId}, ${action}, ${target}, ${JSON.stringify(detail)}::jsonb)`;
}
