import type { SessionStore } from "../../../../ports/nodes/nodes.ts";
import type { Transaction } from "../../database.ts";
import { audit } from "../../events/audit.ts";
import { appendEvents } from "../../events/events.ts";

/** See `SessionStore.rotateKey`. */
export async function rotateKey(
  tx: Transaction,
  { nodeId, generation, from, to, address }: Parameters<SessionStore["rotateKey"]>[0],
): Promise<boolean> {
  const [rotated] = await tx.$queryRaw<{ readonly name: string }[]>`
    UPDATE nodes SET previous_key = public_key, previous_key_until = now() + interval '1 day',
      public_key = ${to}, key_made_at = now()
    WHERE id = ${nodeId} AND generation = ${generation} AND NOT revoked AND public_key = ${from}
    RETURNING name`;
  if (!rotated)
    return (await tx.node.count({ where: { id: nodeId, generation, revoked: false, publicKey: to } })) === 1;
  const { name } = rotated;
  const actor = { name: `node/${name}`, role: "operator", keyId: null, models: [], address, requestId: "" } as const;
  await audit(tx, actor, { action: "node.rotate-key", target: `node/${name}`, detail: { nodeId } });
  const message = `${name} made itself another key; the one before is taken for a day more`;
  await appendEvents(tx, [{ type: "Normal", reason: "NodeKeyRotated", object: `node/${name}`, message }], "events");
  return true;
}
