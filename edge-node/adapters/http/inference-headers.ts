import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { type ErrorCode, ERRORS, SkerryError } from "../../../shared/base/errors.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import { JSON_BODY } from "../../../shared/protocol/inference-frame.ts";
import { MAX_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import type { LocalPlacement, WorkerResponse } from "../../ports/serving.ts";
import { errorHeaders } from "./answer.ts";

interface Wishes {
  readonly headerLength: number;
  /** Undefined: the placement's own. */
  readonly deadlineMs: number | undefined;
  readonly edgeOnly: boolean;
}

const JSON_TYPE = "application/json";
const BYTES_TYPE = "application/octet-stream";

/** What the caller's headers ask for. Throws INVALID_REQUEST that names the header, or UNSUPPORTED_MEDIA_TYPE. */
export function parseInferenceHeaders(headers: IncomingHttpHeaders): Wishes {
  const headerLength = parseHeaderLength(headers["inference-header-content-length"]);
  refuseMediaType(headers);
  return {
    headerLength,
    deadlineMs: parseTimeout(headers["skerry-timeout-ms"]),
    edgeOnly: parseResidency(headers["skerry-residency"]),
  };
}

/** The two types are told apart by the header length, as in Triton: without one the body is JSON. */
function refuseMediaType(headers: IncomingHttpHeaders): void {
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity")
    throw new SkerryError("UNSUPPORTED_MEDIA_TYPE", "the body is compressed; send it without Content-Encoding");
  const type = (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (type !== "" && type !== JSON_TYPE && type !== BYTES_TYPE) {
    throw new SkerryError(
      "UNSUPPORTED_MEDIA_TYPE",
      `the body is ${type.slice(0, 64)}; inference takes ${JSON_TYPE} or ${BYTES_TYPE}`,
    );
  }
}

function parseHeaderLength(value: string | string[] | undefined): number {
  if (value === undefined) return JSON_BODY;
  if (typeof value !== "string" || !/^\d{1,8}$/.test(value))
    throw invalid("Inference-Header-Content-Length must be a number of bytes");
  return Number(value);
}

function parseTimeout(value: string | string[] | undefined): number | undefined {
  if (value === undefined) return undefined;
  const timeoutMs = typeof value === "string" && /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (timeoutMs < 1 || timeoutMs > MAX_DEADLINE_MS)
    throw invalid(`Skerry-Timeout-Ms must be a whole number from 1 to ${MAX_DEADLINE_MS}`);
  return timeoutMs;
}

/** Strict: a residency that was misspelt and ignored would let data leave the edge. */
function parseResidency(value: string | string[] | undefined): boolean {
  if (value === undefined) return false;
  if (value !== "edge-only") throw invalid("Skerry-Residency must be `edge-only`");
  return true;
}

/** The headers of an answer, refusals included: who answered, and where the time went. */
export function answerHeaders(answer: WorkerResponse, placement: LocalPlacement): OutgoingHttpHeaders {
  const isJson = answer.headerLength === JSON_BODY;
  return {
    ...(isCatalogued(answer.code)
      ? errorHeaders({ code: answer.code })
      : { "Content-Type": isJson ? JSON_TYPE : BYTES_TYPE }),
    ...(!isJson && { "Inference-Header-Content-Length": answer.headerLength }),
    "Skerry-Model-Version": `${placement.model}:${placement.version}`,
    "Skerry-Route": `placement="${placement.placementId}", reason=local, candidates=1, attempt=1`,
    "Server-Timing": `queue;dur=${ms(answer.queueUs)}, infer;dur=${ms(answer.computeUs)}`,
  };
}

const isCatalogued = (code: string | undefined): code is ErrorCode => code !== undefined && Object.hasOwn(ERRORS, code);

const ms = (us: number): number => Math.round(us / 10) / 100;
