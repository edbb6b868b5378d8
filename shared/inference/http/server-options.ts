import type { Clock } from "../../base/clock.ts";
import { KEEP_ALIVE_MS } from "../../protocol/limits.ts";
import type { HttpHeaders, HttpRequest } from "./message.ts";

/** Until a request's headers are complete, in ms. */
const HEADERS_MS = 10_000;
/** Until a request's body is complete, in ms. */
export const BODY_MS = 30_000;
/** How long the rest of a refused body is read and dropped, so that its sender sees the response, in ms. */
export const LINGER_MS = 1_000;
const HEADER_BYTES = 16_384;

/** How `node:http` serves at the control plane and at the node. */
export const serverOptions = ({ headersMs, headerBytes, keepAliveMs }: ServerBounds) => ({
  maxHeaderSize: headerBytes,
  headersTimeout: headersMs,
  // Node looks for slow heads only every 30 s by default, so 10 s would mean up to 40.
  connectionsCheckingInterval: headersMs / 4,
  // `readBody` and `dropRest` bound each body: an upload may take an hour at a fair rate, a JSON body 30 s.
  requestTimeout: 0,
  keepAliveTimeout: keepAliveMs,
  insecureHTTPParser: false,
  noDelay: true,
  shouldUpgradeCallback: isWebSocketUpgrade,
});

interface ServerBounds {
  readonly headersMs: number;
  readonly headerBytes: number;
  readonly keepAliveMs: number;
}

export const SERVER_BOUNDS: ServerBounds = {
  headersMs: HEADERS_MS,
  headerBytes: HEADER_BYTES,
  keepAliveMs: KEEP_ALIVE_MS,
};

/** Any other upgrade is served as if it were not there (RFC 9110, 7.8): Java's HttpClient offers `h2c` with each request. */
const isWebSocketUpgrade = ({ headers }: { readonly headers: HttpHeaders }): boolean =>
  String(headers["upgrade"]).toLowerCase() === "websocket";

/**
 * After a response to a body that was not read: drops the rest for `lingerMs`, then ends the connection. What has come by
 * then counts also when this process stood still and has yet to read it: its caller may have the next request under way.
 */
export function dropRest(request: HttpRequest, { clock, lingerMs }: { clock: Clock; lingerMs: number }): void {
  if (request.complete) return;
  const cancel = clock.after(lingerMs, () =>
    setImmediate(() => {
      if (!request.complete) request.socket.destroy();
    }),
  );
  request.once("close", cancel);
  request.once("end", cancel);
  request.resume();
}
