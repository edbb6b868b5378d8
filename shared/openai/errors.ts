import { z } from "zod";
import { ERRORS, type ErrorCode, isSkerryError, type SkerryError } from "../base/errors.ts";
import { errorHeaders } from "../inference/http/error-response.ts";
import { JSON_TYPE } from "../inference/http/request-headers.ts";

/** An error as clients of the OpenAI API read it. `param`: the field at fault. */
export const openAiErrorBody = z
  .object({
    error: z.object({ message: z.string(), type: z.string(), param: z.string().nullable(), code: z.string() }),
  })
  .meta({ id: "OpenAiError" });
type OpenAiError = z.infer<typeof openAiErrorBody>;

/** OpenAI's own codes, which its clients look at. The others are those of docs/errors.md. */
const CODES: Partial<Record<ErrorCode, string>> = {
  NOT_FOUND: "model_not_found",
  UNAUTHENTICATED: "invalid_api_key",
  CONTEXT_TOO_LONG: "context_length_exceeded",
  RATE_LIMITED: "rate_limit_exceeded",
};

/** The body of an error. `param`: the field at fault, when it is one. */
export function openAiError(code: ErrorCode, message: string, param: string | null = null): OpenAiError {
  const { status } = ERRORS[code];
  return { error: { message, type: typeOf(status), param, code: CODES[code] ?? code } };
}

/** An error in OpenAI's form, with Skerry's own code in a header. */
export function openAiErrorResponse(error: SkerryError) {
  const { status, fix } = ERRORS[error.code];
  return {
    status,
    code: error.code,
    headers: { "Content-Type": JSON_TYPE, "Skerry-Error": error.code, ...errorHeaders(error) },
    body: openAiError(error.code, `${error.message}. ${fix}`, fieldOf(error)),
  };
}

/** The message of a refusal of `/v2`: `{"error": "…"}`. */
export function messageOfBody(body: Uint8Array): string {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof value === "object" && value !== null && "error" in value && typeof value.error === "string")
      return value.error;
  } catch {
    // Not ours: what it is goes into the sentence below.
  }
  return "the node gave no reason";
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** The first field that was refused. */
function fieldOf(error: unknown): string | null {
  if (!isSkerryError(error)) return null;
  const { cause } = error;
  if (typeof cause !== "object" || cause === null || !("causes" in cause) || !Array.isArray(cause.causes)) return null;
  const [first]: readonly unknown[] = cause.causes;
  if (typeof first !== "object" || first === null || !("field" in first)) return null;
  return typeof first.field === "string" && first.field !== "" ? first.field : null;
}
