import { SkerryError } from "../../../shared/base/errors.ts";

/** What the caller's `If-Match` asks of the row: a version, mere existence, or nothing. */
export type IfMatch = number | "exists" | undefined;

/**
 * The row version for the store, after the part of the condition that the store does not know: `If-Match: *`.
 * Throws `STALE_ETAG`.
 */
export async function expectedVersion(
  ifMatch: IfMatch,
  object: string,
  rowVersion: () => Promise<number | null>,
): Promise<number | undefined> {
  if (ifMatch !== "exists") return ifMatch;
  if ((await rowVersion()) === null)
    throw new SkerryError("STALE_ETAG", `${object} does not exist, and \`If-Match: *\` asks for one that does`);
  return undefined;
}
