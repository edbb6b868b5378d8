import type { IncomingMessage, ServerResponse } from "node:http";
import { pathOf } from "../../../../shared/inference/http/path.ts";
import { encodingFor, type ConsoleFile, type ConsoleFiles } from "./console-files.ts";

/** First segments of the console's own addresses. A page of it is one document, whose script reads the rest of the path. */
export const CONSOLE_PAGES = [
  "",
  "nodes",
  "topology",
  "models",
  "deployments",
  "explain",
  "playground",
  "traffic",
  "events",
  "keys",
  "api-reference",
] as const;
const PAGES: ReadonlySet<string> = new Set(CONSOLE_PAGES);

/** Nothing but this server's own files, and no page of another origin around them. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const SAFE_HEADERS = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
} as const;

/** Names in `/assets/` hold a hash of the content, so they never change; the document names the newest of them. */
const ASSETS = "/assets/";
const IMMUTABLE = "public, max-age=31536000, immutable";
const NOT_BUILT = "The web console is not built. Run `npm run build:console` and start the control plane again.\n";

/** Answers the console's addresses. False: the request is none of them, and nothing was written. */
export type ConsoleHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

/** `files` undefined: the console was not built, and its pages say so. */
export function createConsoleHandler(files: ConsoleFiles | undefined): ConsoleHandler {
  return (request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") return false;
    const path = pathOf(request);
    if (path.startsWith(ASSETS)) {
      const file = files?.get(path);
      if (file === undefined) return false;
      send(request, response, { file, headers: { "Cache-Control": IMMUTABLE } });
      return true;
    }
    if (!PAGES.has(path.split("/", 2)[1] ?? "")) return false;
    const file = files?.get("/index.html");
    if (file === undefined) refuse(response);
    else send(request, response, { file, headers: { "Cache-Control": "no-cache", "Content-Security-Policy": POLICY } });
    return true;
  };
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { file, headers }: { file: ConsoleFile; headers: Readonly<Record<string, string>> },
): void {
  const common = { ...SAFE_HEADERS, ...headers, ETag: file.etag, Vary: "Accept-Encoding" };
  if (request.headers["if-none-match"]?.includes(file.etag)) {
    response.writeHead(304, common).end();
    return;
  }
  const encoding = encodingFor(file, request.headers["accept-encoding"]?.toString());
  const bytes = (encoding && file.encoded.get(encoding)) ?? file.plain;
  response.writeHead(200, {
    ...common,
    "Content-Type": file.type,
    "Content-Length": bytes.length,
    ...(encoding && { "Content-Encoding": encoding }),
  });
  response.end(request.method === "HEAD" ? undefined : bytes);
}

function refuse(response: ServerResponse): void {
  const headers = { ...SAFE_HEADERS, "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" };
  response.writeHead(404, headers).end(NOT_BUILT);
}
