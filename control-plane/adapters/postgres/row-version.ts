import { SkerryError } from "../../../shared/base/errors.ts";

/** Throws `STALE_ETAG` when the caller read another state than the present one. `expected` undefined: any will do; null: it must not exist. */
export function requireVersion(what: string, present: number | undefined, expected: number | null | undefined): void {
  if (expected === undefined || (present ?? null) === expected) return;
  if (expected === null) throw new SkerryError("STALE_ETAG", `${what} exists already: it was to be new`);
  const why = present === undefined ? "does not exist" : `is at version ${present}`;
  throw new SkerryError(
    "STALE_ETAG",
    `${what} ${why}, not at version ${expected}: somebody changed it since you read it`,
  );
}
