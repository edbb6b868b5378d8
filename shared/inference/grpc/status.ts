import { ERRORS, type ErrorCode, type SkerryError } from "../../base/errors.ts";
import { retryAfterOf } from "../http/error-response.ts";
import { objectOf, textOf } from "../json.ts";

/** gRPC's numbers of the statuses that are used here. */
const GRPC_STATUS = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

type GrpcStatus = (typeof GRPC_STATUS)[keyof typeof GRPC_STATUS];

/** By the HTTP status of the catalog's code. */
const BY_HTTP_STATUS: Readonly<Record<number, GrpcStatus>> = {
  400: GRPC_STATUS.INVALID_ARGUMENT,
  401: GRPC_STATUS.UNAUTHENTICATED,
  403: GRPC_STATUS.PERMISSION_DENIED,
  404: GRPC_STATUS.NOT_FOUND,
  408: GRPC_STATUS.DEADLINE_EXCEEDED,
  409: GRPC_STATUS.FAILED_PRECONDITION,
  412: GRPC_STATUS.ABORTED,
  413: GRPC_STATUS.RESOURCE_EXHAUSTED,
  415: GRPC_STATUS.INVALID_ARGUMENT,
  422: GRPC_STATUS.INVALID_ARGUMENT,
  429: GRPC_STATUS.RESOURCE_EXHAUSTED,
  499: GRPC_STATUS.CANCELLED,
  501: GRPC_STATUS.UNIMPLEMENTED,
  503: GRPC_STATUS.UNAVAILABLE,
  504: GRPC_STATUS.DEADLINE_EXCEEDED,
  507: GRPC_STATUS.RESOURCE_EXHAUSTED,
};

/** Everything else is a fault of the server or of the model. */
export const grpcStatusOf = (code: ErrorCode): GrpcStatus =>
  BY_HTTP_STATUS[ERRORS[code].status] ?? GRPC_STATUS.INTERNAL;

/** A refusal, whichever transport carries it. */
export interface Refusal {
  readonly code: ErrorCode;
  /** What happened and what to do. */
  readonly text: string;
  readonly retryAfterMs: number | undefined;
}

export const refusalOf = ({ code, message, retryAfterMs }: SkerryError): Refusal => ({
  code,
  text: `${message}. ${ERRORS[code].fix}`,
  retryAfterMs,
});

/** What travels behind a refusal, as the headers of HTTP do: the catalog's code, and when to try again. */
export function trailersOf({ code, retryAfterMs }: Refusal): Readonly<Record<string, string>> {
  const retryAfter = retryAfterOf(ERRORS[code].status, retryAfterMs);
  return { "skerry-error": code, ...(retryAfter !== undefined && { "retry-after": retryAfter }) };
}

const decoder = new TextDecoder();

/** A refusal in a node's own words: the body `{"error": "…"}` of HTTP. */
export function refusalFromBody(code: ErrorCode, body: Uint8Array, retryAfterMs: number | undefined): Refusal {
  try {
    const { error } = objectOf(JSON.parse(decoder.decode(body)), "the refusal");
    return { code, text: textOf(error, "`error`"), retryAfterMs };
  } catch {
    return { code, text: `${ERRORS[code].message} ${ERRORS[code].fix}`, retryAfterMs };
  }
}
