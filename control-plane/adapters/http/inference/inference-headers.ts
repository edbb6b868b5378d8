import type { IncomingHttpHeaders } from "node:http";
import { JSON_BODY } from "../../../../shared/protocol/inference-frame.ts";
import { MAX_DEADLINE_MS } from "../../../../shared/protocol/limits.ts";
import { NODE_NAME } from "../../../../shared/protocol/messages.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type {
  InferenceResponse,
  InferenceRequest,
  Preference,
  RouteNote,
} from "../../../app/inference/inference-request.ts";
import { invalidFields, retryAfterSeconds } from "../server/problem.ts";

type Wishes = Pick<InferenceRequest, "headerLength" | "timeoutMs" | "site" | "residency" | "prefer">;

const JSON_TYPE = "application/json";
const BYTES_TYPE = "application/octet-stream";

/** What the caller's headers ask for. Throws `INVALID_REQUEST` naming the header, `UNSUPPORTED_MEDIA_TYPE`. */
export function parseInferenceHeaders(headers: IncomingHttpHeaders): Wishes {
  const headerLength = parseHeaderLength(single(headers, "inference-header-content-length"));
  const type = mediaType(headers["content-type"] ?? "");
  if (type !== "" && type !== JSON_TYPE && type !== BYTES_TYPE) {
    throw new SkerryError(
      "UNSUPPORTED_MEDIA_TYPE",
      `the body is ${type.slice(0, 64)}; inference takes ${JSON_TYPE} or ${BYTES_TYPE}`,
    );
  }
  return {
    headerLength,
    timeoutMs: parseTimeout(single(headers, "skerry-timeout-ms")),
    site: parseSite(single(headers, "skerry-site")),
    residency: parseResidency(single(headers, "skerry-residency")),
    prefer: parsePreference(single(headers, "skerry-prefer")),
  };
}

/** Without its parameters; most callers give none. */
const mediaType = (given: string): string =>
  given === BYTES_TYPE || given === JSON_TYPE ? given : (given.split(";")[0]?.trim().toLowerCase() ?? "");

function parseHeaderLength(text: string | undefined): number {
  if (text === undefined) return JSON_BODY;
  if (!/^[0-9]{1,8}$/.test(text)) throw refused("Inference-Header-Content-Length", "must be a number of bytes");
  return Number(text);
}

function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const timeoutMs = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (timeoutMs < 1 || timeoutMs > MAX_DEADLINE_MS)
    throw refused("Skerry-Timeout-Ms", `must be a whole number from 1 to ${MAX_DEADLINE_MS}`);
  return timeoutMs;
}

/** An unknown site is ignored, and one that cannot be a site is unknown. */
const parseSite = (text: string | undefined): string | undefined =>
  text !== undefined && /^[a-z0-9][a-z0-9-]{0,62}$/.test(text) ? text : undefined;

/** Strict: a residency that was misspelt and ignored would let data leave the edge. */
function parseResidency(text: string | undefined): "edge-only" | undefined {
  if (text === undefined || text === "edge-only") return text;
  throw refused("Skerry-Residency", "must be `edge-only`");
}

function parsePreference(text: string | undefined): Preference | undefined {
  switch (text) {
    case undefined:
      return undefined;
    case "fast":
    case "cheap":
    case "edge":
    case "cloud":
      return { kind: text };
    default: {
      const name = text.startsWith("node=") ? text.slice("node=".length) : "";
      if (!NODE_NAME.test(name))
        throw refused("Skerry-Prefer", "must be `fast`, `cheap`, `edge`, `cloud` or `node=<name>`");
      return { kind: "node", name };
    }
  }
}

function single(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value.trim() : undefined;
}

const refused = (header: string, message: string) => invalidFields("header", [{ field: header, message }]);

/**
 * The headers of an answer, errors included: who answered, why he, and where the time went. As names and values in turn,
 * all of them for one `writeHead`: after a single `setHeader` Node would set each of them by itself, at 4 µs a request.
 */
export function answerHeaders(answer: InferenceResponse, requestId: string): string[] {
  const { headerLength, body, node, modelVersion, code, retryAfterMs } = answer;
  const isJson = headerLength === JSON_BODY;
  const headers = ["X-Request-Id", requestId, "Content-Type", isJson ? JSON_TYPE : BYTES_TYPE];
  headers.push("Content-Length", String(body.length));
  if (!isJson) headers.push("Inference-Header-Content-Length", String(headerLength));
  if (node !== undefined) headers.push("Skerry-Node", node);
  if (modelVersion !== undefined) headers.push("Skerry-Model-Version", modelVersion);
  headers.push("Skerry-Route", routeHeader(answer.route), "Server-Timing", timingHeader(answer.timing));
  if (code !== undefined) headers.push("Skerry-Error", code);
  if (retryAfterMs !== undefined) headers.push("Retry-After", retryAfterSeconds(retryAfterMs));
  return headers;
}

/** A structured field (RFC 9651): `placement="pl_7k2", reason=near-tie, eta=7, candidates=3, attempt=1`. */
function routeHeader({ placement, reason, etaMs, candidates, attempt }: RouteNote): string {
  const who = placement === undefined ? "" : `placement="${placement}", `;
  const when = etaMs === undefined ? "" : `eta=${Math.round(etaMs)}, `;
  return `${who}reason=${reason}, ${when}candidates=${candidates}, attempt=${attempt}`;
}

function timingHeader({ routeMs, wireMs, queueMs, inferMs }: InferenceResponse["timing"]): string {
  return `route;dur=${shown(routeMs)}, wire;dur=${shown(wireMs)}, queue;dur=${shown(queueMs)}, infer;dur=${shown(inferMs)}`;
}

const shown = (ms: number): number => Math.max(0, Math.round(ms * 100) / 100);
