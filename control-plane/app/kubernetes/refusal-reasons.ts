import type { ErrorCode, SkerryError } from "../../../shared/base/errors.ts";

const REASONS: ReadonlyMap<ErrorCode, string> = new Map([
  ["NOT_FOUND", "ModelNotFound"],
  ["CONFLICT", "DeclaredElsewhere"],
  ["DATABASE_UNAVAILABLE", "DatabaseUnavailable"],
]);

/** The reason of the condition `Accepted` when Skerry refused with this error. */
export const reasonOf = ({ code }: SkerryError): string => REASONS.get(code) ?? "Refused";
