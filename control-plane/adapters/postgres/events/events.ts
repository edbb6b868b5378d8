import type { FleetKeys } from "../../../core/fleet/changes/fleet-keys.ts";
import type { NewEvent } from "../../../ports/events.ts";
import type { Transaction } from "../database.ts";
import { fleetPayload } from "../fleet/change-payload.ts";

/** A notification carries the topic and, of the fleet, what changed: the rows say how. */
export const CHANNEL = "skerry";

/**
 * Keeps the events and notifies every replica when the transaction commits: of `about`, and of
 * `events` if there are any. Once for each writing transaction, also without events. `fleet`: everything may have changed.
 */
export async function appendEvents(
  tx: Pick<Transaction, "$executeRaw">,
  events: readonly NewEvent[],
  about: FleetKeys | "events" | "keys" | "fleet" = "fleet",
): Promise<void> {
  const payload = typeof about === "string" ? about : fleetPayload(about);
  const topics = [...new Set([payload, ...(events.length > 0 ? ["events"] : [])])];
  const column = (name: keyof NewEvent): string[] => events.map((event) => event[name]);
  await tx.$executeRaw`
    WITH appended AS (
      INSERT INTO events (type, reason, object, message)
      SELECT * FROM unnest(${column("type")}::text[], ${column("reason")}::text[], ${column("object")}::text[], ${column("message")}::text[])
    )
    SELECT pg_notify(${CHANNEL}, topic) FROM unnest(${topics}::text[]) AS topic`;
}
