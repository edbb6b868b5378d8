import type { Problem } from "../../../../shared/api/v1/common.ts";
import { ERRORS, type SkerryError } from "../../../../shared/base/errors.ts";
import type { Cause } from "../../../../shared/base/invalid-fields.ts";
import { errorHeaders, type ErrorResponse } from "../../../../shared/inference/http/error-response.ts";

/** RFC 9457, for `/api/v1`. */
export function problemResponse(error: SkerryError, requestId: string): ErrorResponse {
  const { status, message, fix } = ERRORS[error.code];
  const causes = causesOf(error);
  const body: Problem = {
    type: `urn:skerry:error:${error.code}`,
    title: message,
    status,
    detail: error.message,
    code: error.code,
    fix,
    docs: `docs/errors.md#${error.code.toLowerCase()}`,
    requestId,
    ...(causes.length > 0 && { causes: [...causes] }),
  };
  return {
    status,
    code: error.code,
    headers: { "Content-Type": "application/problem+json", ...errorHeaders(error) },
    body,
  };
}

function causesOf(error: SkerryError): readonly Cause[] {
  const { cause } = error;
  if (typeof cause !== "object" || cause === null || !("causes" in cause) || !Array.isArray(cause.causes)) return [];
  return cause.causes.filter(isCause);
}

const isCause = (value: unknown): value is Cause =>
  typeof value === "object" && value !== null && "field" in value && "message" in value;
