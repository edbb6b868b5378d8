import { versionKey } from "../../../shared/base/version-key.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Cancellation, cancellationOf } from "../../../shared/flow/cancellation.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { type ErrorCode, ERRORS, isSkerryError, SkerryError } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import { release, own } from "../../../shared/bytes/owned-bytes.ts";
import { retryAfterQueueMs } from "../../../shared/inference/http/error-response.ts";
import type { ByteBudget } from "../../../shared/inference/http/byte-budget.ts";
import type { ModelTarget } from "../../../shared/inference/http/path.ts";
import { readBody, wholeBody } from "../../../shared/inference/http/read-body.ts";
import { parseInferenceHeaders, refuseShortBody } from "../../../shared/inference/http/request-headers.ts";
import { inferenceHeaders } from "../../../shared/inference/http/response-headers.ts";
import { BODY_MS } from "../../../shared/inference/http/server-options.ts";
import type { InferenceStatistics } from "../../../shared/inference/statistics.ts";
import { DEFAULT_DEADLINE_MS, DEFAULT_BODY_BYTES } from "../../../shared/protocol/limits.ts";
import { wrongKind } from "../../../shared/text/model-kind.ts";
import { traceLine } from "../../app/inference/trace-line.ts";
import type { LocalNode, LocalPlacementView, WorkerResponse } from "../../ports/serving.ts";
import { errorResponse, type LocalResponse } from "./response.ts";
import { resolvePlacement } from "./resolve-placement.ts";

/** An answer with what the metrics count. */
export interface Answered {
  readonly reply: LocalResponse;
  /** Undefined when the URL named no model of this node's. */
  readonly model: string | undefined;
  /** `OK`, or a code of the catalog. */
  readonly code: string;
}

export interface InferParts {
  readonly response: ServerResponse;
  readonly node: LocalNode;
  readonly bodies: ByteBudget;
  /** Bytes of one body. Default: `DEFAULT_BODY_BYTES`. */
  readonly maxBodyBytes?: number;
  readonly statistics: InferenceStatistics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * One inference at the node itself: same admission, queue and deadline as a request that came through the control plane.
 * `explain`: its path asks for an explanation.
 */
export async function infer(
  target: ModelTarget,
  request: IncomingMessage,
  parts: InferParts & { readonly explain: boolean },
): Promise<Answered> {
  let placement: LocalPlacementView | undefined;
  try {
    const headers = parseInferenceHeaders(request.headers);
    placement = resolvePlacement(target, parts.node.placements());
    const { asks = "tensors", model } = placement;
    if (asks !== "tensors") throw new SkerryError("INVALID_REQUEST", wrongKind(model, asks, "tensors"));
    const { reply, code } = await ask(placement, request, { ...parts, ...headers });
    return { reply, model: placement.model, code: code ?? "OK" };
  } catch (thrown) {
    if (parts.response.destroyed) return { reply: NOBODY, model: placement?.model, code: "CANCELLED" };
    if (!isSkerryError(thrown)) throw thrown;
    return { reply: errorResponse(thrown), model: placement?.model, code: thrown.code };
  }
}

/** For a caller who went away: nothing is sent. */
export const NOBODY: LocalResponse = { status: 499, headers: [], body: own(new Uint8Array(0)) };

async function ask(
  placement: LocalPlacementView,
  request: IncomingMessage,
  parts: InferParts & ReturnType<typeof parseInferenceHeaders> & { readonly explain: boolean },
): Promise<{ readonly reply: LocalResponse; readonly code: ErrorCode | undefined }> {
  const { bodies, maxBodyBytes = DEFAULT_BODY_BYTES, clock, response, headerLength } = parts;
  refuseCloud(placement, parts);
  const startedAt = clock.now();
  const { take, leave } = bodies.enter();
  try {
    const arrived = await readBody(request, { maxBytes: maxBodyBytes, withinMs: BODY_MS, clock, take });
    refuseShortBody(headerLength, arrived.length);
    const body = wholeBody(arrived);
    const traceparent = request.headers["traceparent"];
    const cancellation = cancellationOf(response);
    const { explain, timeoutMs, residency, stream } = parts;
    const asked = { body, headerLength, startedAt, traceparent, cancellation, explain, timeoutMs, residency, stream };
    const answer = await askHere(placement, asked, parts);
    // The host has read what it has answered; what it has not, a socket may still be writing.
    if (answer.code === undefined) release(body);
    return replyOf(answer, placement);
  } finally {
    leave();
  }
}

interface Asked extends Pick<ReturnType<typeof parseInferenceHeaders>, "timeoutMs" | "residency" | "headerLength"> {
  readonly body: Uint8Array;
  /** When the request began to arrive, by the clock's `now`. */
  readonly startedAt: number;
  readonly traceparent: string | string[] | undefined;
  readonly cancellation: Cancellation;
  /** Default: false. */
  readonly explain?: boolean;
  readonly stream?: string | undefined;
}

/** One run of a whole request at this node, whichever transport brought it. Throws EDGE_ONLY, DEADLINE_EXCEEDED. */
export async function askHere(
  placement: LocalPlacementView,
  asked: Asked,
  parts: Omit<InferParts, "response" | "bodies">,
): Promise<WorkerResponse> {
  const { node, clock, logger, statistics } = parts;
  const { placementId, model, version } = placement;
  const edgeOnly = refuseCloud(placement, { ...asked, node });
  const timeoutMs = asked.timeoutMs ?? (placement.timeoutMs || DEFAULT_DEADLINE_MS);
  // The caller counts from the start of the request: a slow upload is part of its time.
  const leftMs = timeoutMs - (clock.now() - asked.startedAt);
  if (leftMs <= 0)
    throw new SkerryError("DEADLINE_EXCEEDED", `the request took longer than its ${timeoutMs} ms to arrive`);
  const { body, headerLength, cancellation, traceparent, explain = false, stream: key } = asked;
  const question = {
    placementId,
    body,
    headerLength,
    deadlineMs: leftMs,
    edgeOnly,
    priority: 0,
    cancellation,
    explain,
    // Who asks this node alone goes on with what it keeps.
    ...(key !== undefined && { stream: { key, alone: true as const } }),
  };
  const answer = await node.infer(question);
  traceLine(logger, { placementId, traceparent }, answer);
  // Many runs: its time says nothing about one.
  if (answer.isExplained === true) return answer;
  statistics.add({
    model,
    version,
    isOk: answer.code === undefined,
    totalMs: clock.now() - asked.startedAt,
    queueMs: answer.queueUs / 1_000,
    inferMs: answer.computeUs / 1_000,
    at: clock.wallNow(),
  });
  return answer;
}

/** Whether the request may run at the edge alone. Throws EDGE_ONLY at a cloud node. */
function refuseCloud(
  { isEdgeOnly }: LocalPlacementView,
  { node, residency }: Pick<InferParts, "node"> & Pick<Asked, "residency">,
): boolean {
  const edgeOnly = residency === "edge-only";
  if ((edgeOnly || isEdgeOnly) && node.kind === "cloud")
    throw new SkerryError("EDGE_ONLY", `${node.name} is a cloud node, and the request may only run at the edge`);
  return edgeOnly;
}

function replyOf(answer: WorkerResponse, placement: LocalPlacementView) {
  const { facts, timing, code } = factsOf(answer, placement);
  return { reply: { status: facts.status, headers: inferenceHeaders(facts, timing), body: answer.body }, code };
}

/** What the headers of an answer say, and where its time went. */
export function factsOf(answer: WorkerResponse, placement: LocalPlacementView) {
  const code = isCatalogd(answer.code) ? answer.code : undefined;
  // What a frame calls 404 (not ready here) is 503 at the node itself: the model is here, and will be ready again.
  const status = code === "MODEL_NOT_READY" ? 503 : answer.status;
  const facts = {
    status,
    code,
    retryAfterMs:
      code === "QUEUE_FULL"
        ? retryAfterQueueMs((answer.placementInFlight * answer.meanUs) / 1_000 / answer.slots)
        : undefined,
    headerLength: answer.headerLength,
    node: undefined, // `LocalApi` names it in every response
    modelVersion: versionKey(placement.model, placement.version),
    route: {
      placement: placement.placementId,
      reason: "local",
      etaMs: undefined,
      candidates: 1,
      attempt: 1,
      variant: placement.variant,
    },
  };
  const timing = [
    ["queue", answer.queueUs / 1_000],
    ["infer", answer.computeUs / 1_000],
  ] as const;
  return { facts, timing, code };
}

export const isCatalogd = (code: string | undefined): code is ErrorCode =>
  code !== undefined && Object.hasOwn(ERRORS, code);
