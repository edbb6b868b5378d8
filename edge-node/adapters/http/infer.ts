import type { IncomingMessage, ServerResponse } from "node:http";
import { cancellationOf } from "../../../shared/base/cancellation.ts";
import { isSkerryError, SkerryError } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logger.ts";
import { invalid } from "../../../shared/inference/faults.ts";
import { JSON_BODY } from "../../../shared/protocol/inference-frame.ts";
import { DEFAULT_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import { release } from "../../../shared/bytes/release.ts";
import { traceLine } from "../../app/inference/trace-line.ts";
import type { LocalNode, LocalPlacement } from "../../ports/serving.ts";
import { errorReply, type Reply } from "./answer.ts";
import type { BodyBudget } from "./body.ts";
import { answerHeaders, parseInferenceHeaders } from "./inference-headers.ts";
import { type ModelTarget, resolvePlacement } from "./resolve-placement.ts";

/** An answer with what the metrics count. */
export interface Answered {
  readonly reply: Reply;
  /** Undefined when the URL named no model of this node's. */
  readonly model: string | undefined;
  /** `OK`, or a code of the catalogue. */
  readonly code: string;
}

interface Parts {
  readonly response: ServerResponse;
  readonly node: LocalNode;
  readonly bodies: BodyBudget;
  readonly logger: Logger;
}

/** One inference at the node itself: same admission, queue and deadline as a request that came through the control plane. */
export async function infer(target: ModelTarget, request: IncomingMessage, parts: Parts): Promise<Answered> {
  const { node, response } = parts;
  const startedAt = performance.now();
  let placement: LocalPlacement | undefined;
  try {
    placement = resolvePlacement(target, node.placements());
    const reply = await ask(placement, request, { ...parts, startedAt });
    return { reply, model: placement.model, code: codeOf(reply) };
  } catch (thrown) {
    if (response.destroyed) return { reply: NOBODY, model: placement?.model, code: "CANCELLED" };
    if (!isSkerryError(thrown)) throw thrown;
    return { reply: errorReply(thrown, ""), model: placement?.model, code: thrown.code };
  }
}

/** For a caller who went away: nothing is sent. */
const NOBODY: Reply = { status: 499, headers: {}, body: new Uint8Array(0) };

function ask(
  placement: LocalPlacement,
  request: IncomingMessage,
  { node, bodies, logger, response, startedAt }: Parts & { readonly startedAt: number },
): Promise<Reply> {
  const { headerLength, deadlineMs, edgeOnly } = parseInferenceHeaders(request.headers);
  if ((edgeOnly || placement.isEdgeOnly) && node.kind === "cloud")
    throw new SkerryError("EDGE_ONLY", `${node.name} is a cloud node, and the request may only run at the edge`);
  const timeoutMs = deadlineMs ?? (placement.timeoutMs || DEFAULT_DEADLINE_MS);
  return bodies.with(request, async (body) => {
    if (headerLength !== JSON_BODY && headerLength > body.byteLength)
      throw invalid(
        `Inference-Header-Content-Length is ${headerLength}, more than the body's ${body.byteLength} bytes`,
      );
    // The caller counts from when he asked: a slow upload is part of his time.
    const leftMs = timeoutMs - (performance.now() - startedAt);
    if (leftMs <= 0)
      throw new SkerryError("DEADLINE_EXCEEDED", `the request took longer than its ${timeoutMs} ms to arrive`);
    const answer = await node.infer({
      placementId: placement.placementId,
      body,
      headerLength,
      deadlineMs: leftMs,
      edgeOnly,
      priority: 0,
      cancellation: cancellationOf(response),
    });
    const { traceparent } = request.headers;
    traceLine(logger, { placementId: placement.placementId, traceparent }, answer);
    // The host has read what it has answered; what it has not, a socket may still be writing.
    if (answer.code === undefined) release(body);
    // What a frame calls 404 (not ready here) is 503 at the node itself: the model is here, and will be ready again.
    const status = answer.code === "MODEL_NOT_READY" ? 503 : answer.status;
    return { status, headers: answerHeaders(answer, placement), body: answer.body };
  });
}

const codeOf = ({ headers }: Reply): string => {
  const code = headers["Skerry-Error"];
  return typeof code === "string" ? code : "OK";
};
