import type { HttpHeaders } from "./message.ts";

interface Request {
  readonly method?: string | undefined;
  readonly headers: HttpHeaders;
}

interface Response {
  setHeader(name: string, value: string): unknown;
  writeHead(status: number, headers: Readonly<Record<string, string>>): { end(): unknown };
}

const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS = [
  "Authorization",
  "Content-Type",
  "Content-Encoding",
  "Inference-Header-Content-Length",
  "Skerry-Timeout-Ms",
  "Skerry-Site",
  "Skerry-Prefer",
  "Skerry-Residency",
  "Skerry-Sticky",
  "Skerry-Stream",
  "Skerry-Cascade",
  "X-Request-Id",
  "Traceparent",
  "Tracestate",
  "If-Match",
  "Idempotency-Key",
  "Last-Event-ID",
].join(", ");
const RESPONSE_HEADERS = [
  "Inference-Header-Content-Length",
  "Skerry-Node",
  "Skerry-Model-Version",
  "Skerry-Route",
  "Skerry-Error",
  "Server-Timing",
  "Retry-After",
  "X-Request-Id",
  "ETag",
  "Upload-Offset",
].join(", ");
/** How long a browser keeps what a preflight said, in seconds. */
const MAX_AGE = "600";

/**
 * Lets pages of other origins use the API. Without cookies: a key travels in `Authorization`, so a page that has none can do
 * nothing. An origin that is not listed gets no header, and its browser keeps the answer from it.
 */
export class CorsPolicy {
  readonly #origins: ReadonlySet<string>;

  /** `origins`: as a browser sends them, `https://app.example`; `*` stands for any. None: nothing is ever answered. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  lists(origin: string): boolean {
    return this.#origins.has(origin) || this.#origins.has("*");
  }

  /** Adds the headers of the response; true when this was a preflight, which is answered then. */
  apply({ method, headers }: Request, response: Response): boolean {
    if (this.#origins.size === 0) return false;
    const { origin } = headers;
    if (typeof origin !== "string" || !this.lists(origin)) return false;
    response.setHeader("Access-Control-Allow-Origin", origin);
    response.setHeader("Vary", "Origin");
    if (method !== "OPTIONS" || headers["access-control-request-method"] === undefined) {
      response.setHeader("Access-Control-Expose-Headers", RESPONSE_HEADERS);
      return false;
    }
    response
      .writeHead(204, {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": REQUEST_HEADERS,
        "Access-Control-Max-Age": MAX_AGE,
      })
      .end();
    return true;
  }
}

/** The origins of a setting, comma-separated. Undefined when one of them is none: it has a scheme, a host, and no path. */
export function parseOrigins(text: string): readonly string[] | undefined {
  const origins = text.split(",").map((origin) => origin.trim());
  return origins.every((origin) => origin === "*" || URL.parse(origin)?.origin === origin) ? origins : undefined;
}
