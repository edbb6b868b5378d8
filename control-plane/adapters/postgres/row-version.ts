import { SkerryError } from "../../../shared/base/errors.ts";

/** Throws `STALE_ETAG` when the caller read another state than the present one. `expected` undefined: any will do. */
export function requireVersion(what: string, present: number | undefined, expected: number | undefined): void {
  if (expected === undefined || present === expected) return;
  const why = present === undefined ? "does not exist" : `is at version ${present}`;
  throw new SkerryError(
    "STALE_ETAG",
    `${what} ${why}, not at version ${expected}: somebody changed it since you read it`,
  );
}
