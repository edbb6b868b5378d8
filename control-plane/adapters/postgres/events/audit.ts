import { z } from "zod";
import { chainHash } from "../../../../shared/api/v1/access/audit-chain.ts";
import type { Actor } from "../../../ports/access/audit.ts";
import type { Transaction } from "../database.ts";
import { holdsLease } from "../fleet/leadership-store.ts";

/** What somebody did through the API: `action` is `<object>.<verb>`, `target` is `<object>/<name>`. */
export interface AuditedChange {
  readonly action: string;
  readonly target: string;
  readonly detail?: Record<string, unknown>;
}

const auditDetail = z.record(z.string(), z.unknown());

interface Head {
  readonly id: bigint;
  readonly hash: string;
  /** The database's clock. */
  readonly at: Date;
}

/**
 * Writes the audit row of a change, in the change's own transaction, as the next entry of the chain. Every change that an
 * actor causes has one, so this is also where the actor's lease is compared: throws when it is not held, and the change is
 * undone with the transaction. The head stays locked until the transaction ends: entries are in the order of their changes.
 */
export async function audit(
  tx: Transaction,
  actor: Pick<Actor, "name" | "keyId" | "address" | "requestId" | "lease" | "reason">,
  { action, target, detail = {} }: AuditedChange,
): Promise<void> {
  const { name, keyId, address, requestId, lease, reason } = actor;
  if (lease && !(await holdsLease(tx, lease)))
    throw new Error("this replica does not lead any more: nothing was changed");
  const [head] = await tx.$queryRaw<Head[]>`SELECT id, hash, at FROM lock_audit_head()`;
  if (!head) throw new Error("the audit log has no head");
  const id = head.id + 1n;
  const json = JSON.stringify(reason === undefined ? detail : { ...detail, reason });
  const fields = {
    actor: name,
    keyId,
    address,
    requestId,
    action,
    target,
    detail: auditDetail.parse(JSON.parse(json)),
  };
  const hash = chainHash(head.hash, { id: String(id), at: head.at.toISOString(), ...fields });
  await tx.$executeRaw`
    INSERT INTO audit_log (id, at, actor, key_id, address, request_id, action, target, detail, prev, hash)
    VALUES (${id}, ${head.at}, ${name}, ${keyId}, ${address}, ${requestId}, ${action}, ${target}, ${json}::jsonb,
      ${head.hash}, ${hash})`;
}
