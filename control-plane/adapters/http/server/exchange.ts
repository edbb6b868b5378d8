import type { IncomingMessage, ServerResponse } from "node:http";
import type { RequestFacts } from "./route.ts";
import { callerAddress } from "../../../../shared/base/network/caller-address.ts";
import { textCauses } from "../../../../shared/base/plain-text.ts";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";

/** Who asks, by `callerAddress`. */
export const addressOf = ({ socket, headers }: IncomingMessage, trustedProxies: number): string =>
  callerAddress({ peer: socket.remoteAddress, forwardedFor: headers["x-forwarded-for"]?.toString(), trustedProxies });

/** Whether the caller is on this machine: not when a proxy here speaks for somebody else. */
export function isLocal(request: IncomingMessage): boolean {
  const peer = request.socket.remoteAddress ?? "";
  const isLoopback = peer === "::1" || peer.startsWith("127.") || peer.startsWith("::ffff:127.");
  return isLoopback && request.headers["x-forwarded-for"] === undefined && request.headers.forwarded === undefined;
}

/** Throws `INVALID_REQUEST` for a parameter that is there twice: which one counts would be a guess. */
export function queryOf(request: IncomingMessage): Record<string, string> {
  const url = request.url ?? "/";
  const start = url.indexOf("?");
  const query: Record<string, string> = Object.create(null);
  if (start === -1) return query;
  for (const [name, value] of new URLSearchParams(url.slice(start + 1))) {
    if (name in query) throw invalidFields("query", [{ field: name.slice(0, 64), message: "is there twice" }]);
    query[name] = value;
  }
  const causes = textCauses(query);
  if (causes.length > 0) throw invalidFields("query", causes);
  return query;
}

/** Made once: without a reason `abort()` makes an exception, with its stack, for each caller. */
const OVER = new Error("the caller has its answer or went away");

/** Aborted when the caller goes away or has its answer, and when `stopping` is. */
export function callerSignal(response: ServerResponse, stopping?: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const end = (): void => {
    stopping?.removeEventListener("abort", end);
    controller.abort(OVER);
  };
  response.once("close", end);
  stopping?.addEventListener("abort", end);
  if (stopping?.aborted) end();
  return controller.signal;
}

export function factsOf(
  request: IncomingMessage,
  known: Pick<RequestFacts, "requestId" | "address" | "signal" | "bytes">,
): RequestFacts {
  return {
    ...known,
    header: (name) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    },
  };
}
