import { isSkerryError, messageOf, type ErrorCode, type SkerryError } from "../../../shared/base/errors.ts";
import type { Refusal } from "../../core/kubernetes/conditions.ts";

const REASONS: ReadonlyMap<ErrorCode, string> = new Map([
  ["NOT_FOUND", "ModelNotFound"],
  ["CONFLICT", "DeclaredElsewhere"],
  ["DATABASE_UNAVAILABLE", "DatabaseUnavailable"],
]);

/** Why an object is not carried out, when Skerry refused with this error. */
export const refusalOf = (error: SkerryError): Refusal => ({
  reason: REASONS.get(error.code) ?? "Refused",
  message: messageOf(error),
});

/** The error with which Skerry refused `work`; undefined when it did not. Throws any other error. */
export async function failureOf(work: () => Promise<unknown>): Promise<SkerryError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!isSkerryError(error)) throw error;
    return error;
  }
}
