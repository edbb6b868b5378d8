import { Prisma } from "../../../../prisma/generated/client.ts";
import type { SkerryEvent } from "../../../../shared/api/v1/events.ts";
import type { EventStore, NewEvent } from "../../../ports/events.ts";
import type { Database } from "../database.ts";
import { formatCursor, parseCursor, type EventCursor } from "./event-cursor.ts";
import { appendEvents } from "./events.ts";

interface EventRow extends EventCursor {
  readonly at: Date;
  readonly type: SkerryEvent["type"];
  readonly reason: string;
  readonly object: string;
  readonly message: string;
}

/** What happened, in an order that never changes behind a reader's back. */
export class PostgresEventStore implements EventStore {
  readonly #reads: Database;
  readonly #writes: Database;

  /** `writes`: the lane of events that are not part of a change. */
  constructor({ reads, writes }: { readonly reads: Database; readonly writes: Database }) {
    this.#reads = reads;
    this.#writes = writes;
  }

  async append(events: readonly NewEvent[]): Promise<void> {
    // One statement needs no transaction of its own, which would be three more.
    if (events.length > 0) await this.#writes.run((client) => appendEvents(client, events, "events"));
  }

  /**
   * Ordered by (transaction, number), up to the oldest transaction that still runs. Below it nothing can appear any
   * more, whereas a reader that follows the numbers alone would step over a row that commits late.
   */
  async read({ after, limit, newest, object }: Parameters<EventStore["read"]>[0]): Promise<readonly SkerryEvent[]> {
    const conditions = [
      Prisma.sql`tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint`,
      ...(after === null ? [] : [isAfter(parseCursor(after))]),
      ...(object === undefined ? [] : [Prisma.sql`object = ${object}`]),
    ];
    const order = newest ? Prisma.sql`tx DESC, id DESC` : Prisma.sql`tx, id`;
    const rows = await this.#reads.run(
      (client) => client.$queryRaw<EventRow[]>`
        SELECT tx, id, at, type, reason, object, message FROM events
        WHERE ${Prisma.join(conditions, " AND ")} ORDER BY ${order} LIMIT ${limit}`,
    );
    return (newest ? rows.toReversed() : rows).map(toSkerryEvent);
  }
}

/** A cursor from before a restore may name a transaction that this server has yet to reach: see restored-events.ts. */
const isAfter = ({ tx, id }: EventCursor): Prisma.Sql => Prisma.sql`
  (tx, id) > (CASE WHEN ${tx} >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN 0 ELSE ${tx} END, ${id})`;

function toSkerryEvent({ at, type, reason, object, message, ...cursor }: EventRow): SkerryEvent {
  return { id: formatCursor(cursor), at: at.toISOString(), type, reason, object, message };
}
