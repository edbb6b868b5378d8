import { SkerryError } from "../../base/errors.ts";
import { JSON_BODY } from "../../protocol/frames/inference-frame.ts";
import { MAX_DEADLINE_MS } from "../../protocol/limits.ts";
import { NODE_NAME } from "../../protocol/join-messages.ts";
import { invalid } from "../faults.ts";
import { headerOf, type HttpHeaders } from "./message.ts";

export const JSON_TYPE = "application/json";
export const BYTES_TYPE = "application/octet-stream";
/** What `curl -d`, PowerShell and axios send with a text unless told otherwise. */
const FORM_TYPE = "application/x-www-form-urlencoded";
/** What a browser's `fetch` and aiohttp send with a text unless told otherwise. */
const TEXT_TYPE = "text/plain";
/** Without a type, too: tritonclient 2.73 sends none when it loads a model, nor does `requests` with a text. */
const TYPES: ReadonlySet<string> = new Set(["", JSON_TYPE, BYTES_TYPE, FORM_TYPE, TEXT_TYPE]);

const STREAM_HEADER = /^[\x21-\x7e]{1,128}$/;
/** Characters of a sticky key: a user's or a session's id. */
const MAX_STICKY = 256;

/** What the caller's headers ask for. */
export interface InferenceHeaders {
  /** Bytes of the JSON part; `JSON_BODY` when the body is JSON alone, 0 for the only input's bytes. */
  readonly headerLength: number;
  /** Undefined: the deployment's own. */
  readonly timeoutMs: number | undefined;
  readonly site: string | undefined;
  readonly residency: "edge-only" | undefined;
  readonly prefer: Preference | undefined;
  /** Requests with the same key stay with one version while a rollout divides them. */
  readonly sticky: string | undefined;
  /** `Skerry-Stream`: requests with the same key go on with what the steps of a pipeline keep. */
  readonly stream: string | undefined;
}

export type Preference =
  | { readonly kind: "fast" | "cheap" | "edge" | "cloud" }
  /** For diagnosis: this node or an error, no retry. */
  | { readonly kind: "node"; readonly name: string };

/** Throws `UNSUPPORTED_MEDIA_TYPE`, and `INVALID_REQUEST` that names the header. */
export function parseInferenceHeaders(headers: HttpHeaders): InferenceHeaders {
  refuseMediaType(headers);
  return {
    headerLength: parseHeaderLength(headerOf(headers, "inference-header-content-length")),
    timeoutMs: parseTimeout(headers),
    site: parseSite(headerOf(headers, "skerry-site")),
    residency: parseResidency(headerOf(headers, "skerry-residency")),
    prefer: parsePreference(headerOf(headers, "skerry-prefer")),
    sticky: parseSticky(headerOf(headers, "skerry-sticky")),
    stream: parseStream(headerOf(headers, "skerry-stream")),
  };
}

/** Throws `INVALID_REQUEST` when the body is shorter than the JSON part that its header declares. */
export function refuseShortBody(headerLength: number, bodyLength: number): void {
  if (headerLength !== JSON_BODY && headerLength > bodyLength)
    throw invalid(`Inference-Header-Content-Length is ${headerLength}, more than the body's ${bodyLength} bytes`);
}

/** The header length alone tells JSON from bytes, as in Triton. Throws `UNSUPPORTED_MEDIA_TYPE`. */
export function refuseMediaType(headers: HttpHeaders): void {
  const type = mediaTypeOf(headers);
  if (TYPES.has(type)) return;
  throw new SkerryError(
    "UNSUPPORTED_MEDIA_TYPE",
    `the body is ${type.slice(0, 64)}; this path takes ${JSON_TYPE} or ${BYTES_TYPE}`,
  );
}

/** Without parameters, in lower case; empty when none was sent. */
export function mediaTypeOf(headers: HttpHeaders): string {
  const given = headerOf(headers, "content-type") ?? "";
  return TYPES.has(given) ? given : (given.split(";")[0]?.trim().toLowerCase() ?? "");
}

function parseHeaderLength(text: string | undefined): number {
  if (text === undefined) return JSON_BODY;
  if (!/^[0-9]{1,8}$/.test(text)) throw invalid("Inference-Header-Content-Length must be a number of bytes");
  return Number(text);
}

/** `Skerry-Timeout-Ms`. Throws `INVALID_REQUEST`. */
export function parseTimeout(headers: HttpHeaders): number | undefined {
  const text = headerOf(headers, "skerry-timeout-ms");
  if (text === undefined) return undefined;
  const timeoutMs = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (timeoutMs < 1 || timeoutMs > MAX_DEADLINE_MS)
    throw invalid(`Skerry-Timeout-Ms must be a whole number from 1 to ${MAX_DEADLINE_MS}`);
  return timeoutMs;
}

/** An unknown site is ignored, and one that cannot be a site is unknown. */
const parseSite = (text: string | undefined): string | undefined =>
  text !== undefined && /^[a-z0-9][a-z0-9-]{0,62}$/.test(text) ? text : undefined;

/** Strict: a residency that was misspelt and ignored would let data leave the edge. */
function parseResidency(text: string | undefined): "edge-only" | undefined {
  if (text === undefined || text === "edge-only") return text;
  throw invalid("Skerry-Residency must be `edge-only`");
}

/** Bounded, since it is hashed for every request. An empty one is none: a proxy may send it for a caller that has no key. */
function parseSticky(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (text.length > MAX_STICKY) throw invalid(`Skerry-Sticky must have at most ${MAX_STICKY} characters`);
  return text;
}

function parseStream(text: string | undefined): string | undefined {
  if (text === undefined || STREAM_HEADER.test(text)) return text;
  throw invalid("Skerry-Stream must be 1–128 visible ASCII characters");
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
        throw invalid("Skerry-Prefer must be `fast`, `cheap`, `edge`, `cloud` or `node=<name>`");
      return { kind: "node", name };
    }
  }
}
