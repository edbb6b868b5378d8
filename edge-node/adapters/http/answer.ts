import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { ERRORS, isSkerryError, messageOf, SkerryError } from "../../../shared/base/errors.ts";
import { releasing } from "../../../shared/bytes/release.ts";
import { errorBody } from "../../../shared/inference/response.ts";

/** What a route gives back. */
export interface Reply {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array;
}

const encoder = new TextEncoder();
const RETRY_AFTER_S = 1;

export const jsonReply = (
  value: unknown,
  { status = 200, headers = {} }: { status?: number; headers?: OutgoingHttpHeaders } = {},
): Reply => ({
  status,
  headers: { "Content-Type": "application/json", ...headers },
  body: encoder.encode(JSON.stringify(value)),
});

export const textReply = (text: string, type: string, headers: OutgoingHttpHeaders = {}): Reply => ({
  status: 200,
  headers: { "Content-Type": type, ...headers },
  body: encoder.encode(text),
});

/** Whatever was thrown as `{"error": …}`. What is not an expected failure is told as INTERNAL, without its text. */
export function errorReply(thrown: unknown, requestId: string): Reply {
  const error = isSkerryError(thrown)
    ? thrown
    : new SkerryError("INTERNAL", `a fault of this node; report it with the request id ${requestId}`);
  return { status: ERRORS[error.code].status, headers: errorHeaders(error), body: errorBody(messageOf(error)) };
}

export function errorHeaders({ code }: { readonly code: keyof typeof ERRORS }): OutgoingHttpHeaders {
  const { status } = ERRORS[code];
  return {
    "Content-Type": "application/json",
    "Skerry-Error": code,
    ...(status === 401 && { "WWW-Authenticate": "Bearer" }),
    ...((status === 429 || status === 503) && { "Retry-After": RETRY_AFTER_S }),
  };
}

export function send(response: ServerResponse, { status, headers, body }: Reply): void {
  if (response.destroyed) return;
  response.writeHead(status, { ...headers, "Content-Length": body.byteLength });
  response.end(body, releasing(body));
}
