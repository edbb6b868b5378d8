import { SkerryError } from "../../../../shared/base/errors.ts";

/** The position of a reader of events: after the event `id` that the transaction `tx` wrote. */
export interface EventCursor {
  readonly tx: bigint;
  readonly id: bigint;
}

const MAX_BIGINT = 2n ** 63n - 1n;

/** An event's `id` as users see it. */
export const formatCursor = ({ tx, id }: EventCursor): string => `${tx}.${id}`;

/** Throws `INVALID_REQUEST`. */
export function parseCursor(text: string): EventCursor {
  const [, tx, id] = /^(\d{1,19})\.(\d{1,19})$/.exec(text) ?? [];
  const cursor = { tx: BigInt(tx ?? -1), id: BigInt(id ?? -1) };
  if (cursor.tx < 0n || cursor.tx > MAX_BIGINT || cursor.id > MAX_BIGINT) {
    throw new SkerryError("INVALID_REQUEST", `${JSON.stringify(text)} is not the id of an event`);
  }
  return cursor;
}
