import { versionKey } from "../../../shared/base/version-key.ts";
import { own, type OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import { ERRORS, type ErrorCode } from "../../../shared/base/errors.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import type { ResponseFrame } from "../../../shared/protocol/frames/response-frame.ts";
import type { PlacementFigures } from "../../core/routing/placement-stats.ts";
import type { NodeStream } from "./pending-requests.ts";
import type { InferenceResponse, RouteNote, RouteReason } from "./inference-request.ts";

/** A caller of a retryable refusal waits this long, in ms. */
const RETRY_AFTER_MS = 1_000;

/** What is taken of a node's answer: all of a RESPONSE frame, or of the head and body of a stream. */
export type NodeResponse = Pick<
  ResponseFrame,
  "status" | "wasNotExecuted" | "headerLength" | "queueUs" | "computeUs" | "meta"
> & {
  readonly body: OwnedBytes | NodeStream;
};

/** The load figures that a response or a trailer carries. */
export const figuresOf = ({
  placementInFlight,
  slots,
  meanUs,
  p95Us,
}: Pick<ResponseFrame, "placementInFlight" | "slots" | "meanUs" | "p95Us">): PlacementFigures => ({
  rif: placementInFlight,
  slots,
  meanUs,
  p95Us,
});

/** What a node answered, as the caller gets it. Times in ms of the router's clock. */
export function answerFrom(
  response: NodeResponse,
  found: {
    model: string;
    version: number;
    startedAt: number;
    node: string;
    route: RouteNote;
    sentAt: number;
    endedAt: number;
  },
): InferenceResponse {
  const { model, version, startedAt, node, route, sentAt, endedAt } = found;
  const queueMs = response.queueUs / 1_000;
  const inferMs = response.computeUs / 1_000;
  const code = response.status === 200 ? undefined : knownCode(response.meta.code);
  // To the router 404 says that this placement is not ready; to the caller the model is known, and 503 says "later".
  const status = code === "MODEL_NOT_READY" ? ERRORS[code].status : response.status;
  return {
    status,
    code,
    retryAfterMs: code !== undefined && ERRORS[code].retryable ? RETRY_AFTER_MS : undefined,
    headerLength: response.headerLength,
    body: response.body,
    isDoubtful: response.meta.doubtful === true,
    isExplained: response.meta.explained === true,
    node,
    modelVersion: versionKey(model, version),
    route: response.wasNotExecuted ? { ...route, reason: refusalReason(response.status) } : route,
    timing: {
      routeMs: sentAt - startedAt,
      wireMs: Math.max(0, endedAt - sentAt - queueMs - inferMs),
      queueMs,
      inferMs,
    },
  };
}

const refusalReason = (status: number): RouteReason =>
  status === 429 ? "busy" : status === 504 ? "late" : "none-ready";

/** A code that a node named; `INTERNAL` when the catalog does not have it. */
export const knownCode = (code: string | undefined): ErrorCode =>
  code !== undefined && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : "INTERNAL";

const encoder = new TextEncoder();

/** An answer of our own: an error with its code, as `{"error": …}`. */
export function refusal(
  code: ErrorCode,
  detail: string,
  route: Partial<RouteNote> & { reason: RouteReason },
): InferenceResponse {
  const { status, retryable, fix } = ERRORS[code];
  return {
    status,
    code,
    retryAfterMs: retryable ? RETRY_AFTER_MS : undefined,
    headerLength: JSON_BODY,
    body: own(encoder.encode(JSON.stringify({ error: `${detail}. ${fix}` }))),
    node: undefined,
    modelVersion: undefined,
    route: { placement: undefined, etaMs: undefined, candidates: 0, attempt: 0, ...route },
    timing: { routeMs: 0, wireMs: 0, queueMs: 0, inferMs: 0 },
  };
}
