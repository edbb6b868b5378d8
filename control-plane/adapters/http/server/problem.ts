import type { Problem } from "../../../../shared/api/v1/common.ts";
import { ERRORS, isSkerryError, SkerryError, type ErrorCode } from "../../../../shared/base/errors.ts";

/** One field that was refused, and why, in plain words. */
export interface Cause {
  /** e.g. `placement.edge.min`; empty for the whole. */
  readonly field: string;
  readonly message: string;
}

/** What an error becomes on the wire. */
export interface ErrorAnswer {
  readonly status: number;
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

/** `INVALID_REQUEST` for fields of `where` (`body`, `query`, `path`). */
export function invalidFields(where: "body" | "query" | "path" | "header", causes: readonly Cause[]): SkerryError {
  const listed = causes
    .slice(0, 3)
    .map(({ field, message }) => (field === "" ? `the ${where} ${message}` : `\`${field}\` ${message}`));
  const more = causes.length > listed.length ? `; and ${causes.length - listed.length} more` : "";
  return new SkerryError("INVALID_REQUEST", `the ${where} was refused: ${listed.join("; ")}${more}`, {
    cause: { causes },
  });
}

/** RFC 9457, for `/api/v1`. */
export function problemAnswer(error: SkerryError, requestId: string): ErrorAnswer {
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
    headers: { "Content-Type": "application/problem+json", ...headersFor(error) },
    body,
  };
}

/** The Open Inference Protocol's form, for `/v2`: one sentence that says what happened and what to do. */
export function inferenceErrorAnswer(error: SkerryError): ErrorAnswer {
  const { status, fix } = ERRORS[error.code];
  return {
    status,
    code: error.code,
    headers: { "Content-Type": "application/json", "Skerry-Error": error.code, ...headersFor(error) },
    body: { error: `${error.message}. ${fix}` },
  };
}

/** Whatever was thrown as an error of the catalogue. What is not ours becomes `INTERNAL`, which tells nothing. */
export function asSkerryError(thrown: unknown, requestId: string): SkerryError {
  if (isSkerryError(thrown)) return thrown;
  return new SkerryError("INTERNAL", `the request could not be answered; the log has the cause under ${requestId}`, {
    cause: thrown,
  });
}

export const retryAfterSeconds = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1_000)));

function headersFor({ code, retryAfterMs }: SkerryError): Record<string, string> {
  const { status } = ERRORS[code];
  if (status === 401) return { "WWW-Authenticate": "Bearer" };
  if (retryAfterMs === undefined && status !== 429 && status !== 503) return {};
  return { "Retry-After": retryAfterSeconds(retryAfterMs ?? 1_000) };
}

function causesOf(error: SkerryError): readonly Cause[] {
  const { cause } = error;
  if (typeof cause !== "object" || cause === null || !("causes" in cause) || !Array.isArray(cause.causes)) return [];
  return cause.causes.filter(isCause);
}

const isCause = (value: unknown): value is Cause =>
  typeof value === "object" && value !== null && "field" in value && "message" in value;
