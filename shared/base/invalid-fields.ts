import { SkerryError } from "./errors.ts";

/** One field that was refused, and why, in plain words. */
export interface Cause {
  /** e.g. `placement.edge.min`; empty for the whole. */
  readonly field: string;
  readonly message: string;
}

/** `INVALID_REQUEST` for fields of `where`. */
export function invalidFields(where: "body" | "query" | "path" | "header", causes: readonly Cause[]): SkerryError {
  const listed = causes
    .slice(0, 3)
    .map(({ field, message }) => (field === "" ? `the ${where} ${message}` : `\`${field}\` ${message}`));
  const more = causes.length > listed.length ? `; and ${causes.length - listed.length} more` : "";
  return new SkerryError("INVALID_REQUEST", `the ${where} was refused: ${listed.join("; ")}${more}`, {
    cause: { causes },
  });
}
