import type { ErrorCode } from "../../base/errors.ts";
import { JSON_BODY } from "../../protocol/frames/inference-frame.ts";
import { retryAfterOf } from "./error-response.ts";
import { BYTES_TYPE, JSON_TYPE } from "./request-headers.ts";

/** One inference as it was answered, refusals included. */
export interface InferenceFacts {
  readonly status: number;
  readonly code: ErrorCode | undefined;
  readonly retryAfterMs: number | undefined;
  readonly headerLength: number;
  /** Undefined when no node was asked. */
  readonly node: string | undefined;
  /** `digits:3` */
  readonly modelVersion: string | undefined;
  readonly route: {
    readonly placement: string | undefined;
    readonly reason: string;
    readonly etaMs: number | undefined;
    readonly candidates: number;
    readonly attempt: number;
    /** The graph that answered, of a version with variants. */
    readonly variant?: string | undefined;
    /** Of a cascade: the rule that asked for the large model, and why it was not asked, or did not answer. */
    readonly cascade?: { readonly rule?: string | undefined; readonly closed?: string | undefined } | undefined;
  };
}

/**
 * The headers of a response, errors included: which node answered, why that one, and where the time went. `timing`:
 * milliseconds by phase, in their order. Names and values in turn, all for one `writeHead`: after a single `setHeader`
 * Node would set each by itself, at 4 µs a request.
 */
export function inferenceHeaders(
  { status, code, retryAfterMs, headerLength, node, modelVersion, route }: InferenceFacts,
  timing: readonly (readonly [phase: string, ms: number])[],
): string[] {
  const isJson = headerLength === JSON_BODY;
  const headers = ["Content-Type", isJson ? JSON_TYPE : BYTES_TYPE];
  if (!isJson) headers.push("Inference-Header-Content-Length", String(headerLength));
  if (node !== undefined) headers.push("Skerry-Node", node);
  if (modelVersion !== undefined) headers.push("Skerry-Model-Version", modelVersion);
  headers.push("Skerry-Route", routeHeader(route), "Server-Timing", timingHeader(timing));
  if (code !== undefined) headers.push("Skerry-Error", code, "Cache-Control", "no-store");
  const retryAfter = retryAfterOf(status, retryAfterMs);
  if (retryAfter !== undefined) headers.push("Retry-After", retryAfter);
  return headers;
}

/** A structured field (RFC 9651): `placement="pl_7k2", reason=near-tie, eta=7, candidates=3, attempt=1`. */
export function routeHeader({
  placement,
  reason,
  etaMs,
  candidates,
  attempt,
  variant,
  cascade,
}: InferenceFacts["route"]): string {
  const who = placement === undefined ? "" : `placement="${placement}", `;
  const when = etaMs === undefined ? "" : `eta=${Math.round(etaMs)}, `;
  const as = variant === undefined ? "" : `, variant=${variant}`;
  const by = cascade?.rule === undefined ? "" : `, rule=${cascade.rule}`;
  const closed = cascade?.closed === undefined ? "" : `, closed=${cascade.closed}`;
  return `${who}reason=${reason}, ${when}candidates=${candidates}, attempt=${attempt}${as}${by}${closed}`;
}

function timingHeader(timing: readonly (readonly [phase: string, ms: number])[]): string {
  let text = "";
  for (const [phase, ms] of timing) text += `${text === "" ? "" : ", "}${phase};dur=${rounded(ms)}`;
  return text;
}

const rounded = (ms: number): number => Math.max(0, Math.round(ms * 100) / 100);
