import { SkerryError } from "../../../shared/base/errors.ts";

/** What the caller's `If-Match` asks of the row: a version, mere existence, or nothing. */
export type IfMatch = number | "exists" | undefined;

/** Of what a request may also create: null (`If-None-Match: *`) asks that it does not exist yet. */
export type IfMatchOrNew = IfMatch | null;

/**
 * The row version for the store, after the part of the condition that the store does not know: `If-Match: *`.
 * Throws `STALE_ETAG`.
 */
export async function expectedVersion<Asked extends IfMatchOrNew>(
  ifMatch: Asked,
  object: string,
  rowVersion: () => Promise<number | null>,
): Promise<Exclude<Asked, "exists"> | undefined> {
  if (ifMatch !== "exists") return ifMatch as Exclude<Asked, "exists">;
  if ((await rowVersion()) === null)
    throw new SkerryError("STALE_ETAG", `${object} does not exist, and \`If-Match: *\` asks for one that does`);
  return undefined;
}
