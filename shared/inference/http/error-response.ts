import { ERRORS, isSkerryError, SkerryError, type ErrorCode } from "../../base/errors.ts";
import { JSON_TYPE } from "./request-headers.ts";

/** What an error becomes on the wire. */
export interface ErrorResponse {
  readonly status: number;
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

/** The Open Inference Protocol's form, for `/v2`: one sentence that says what happened and what to do. */
export function inferenceError(error: SkerryError): ErrorResponse {
  const { status, fix } = ERRORS[error.code];
  return {
    status,
    code: error.code,
    headers: { "Content-Type": JSON_TYPE, "Skerry-Error": error.code, ...errorHeaders(error) },
    body: { error: `${error.message}. ${fix}` },
  };
}

/** The headers of an error in any form. */
export function errorHeaders({ code, retryAfterMs }: SkerryError): Record<string, string> {
  const { status } = ERRORS[code];
  const retryAfter = retryAfterOf(status, retryAfterMs);
  return {
    "Cache-Control": "no-store",
    ...(status === 401 && { "WWW-Authenticate": "Bearer" }),
    ...(retryAfter !== undefined && { "Retry-After": retryAfter }),
  };
}

/** `Retry-After` in whole seconds, at least 1. Undefined where another try is not expected to help soon. */
export function retryAfterOf(status: number, retryAfterMs: number | undefined): string | undefined {
  if (retryAfterMs === undefined && status !== 429 && status !== 503) return undefined;
  return String(Math.max(1, Math.ceil((retryAfterMs ?? 1_000) / 1_000)));
}

/**
 * When to come back to a queue that takes `queueMs`: not later than it is worked off, in the whole seconds that the header
 * has; at once would bring everybody back together, so a second at least.
 */
export const retryAfterQueueMs = (queueMs: number): number => Math.max(1, Math.floor(queueMs / 1_000)) * 1_000;

/** Any thrown value as an error of the catalog. An unexpected one becomes `INTERNAL`, without its text. */
export function asSkerryError(thrown: unknown, requestId: string): SkerryError {
  if (isSkerryError(thrown)) return thrown;
  return new SkerryError("INTERNAL", `the request could not be answered; the log has the cause under ${requestId}`, {
    cause: thrown,
  });
}
