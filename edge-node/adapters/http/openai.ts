import { createHash } from "node:crypto";
import { own, release } from "../../../shared/bytes/owned-bytes.ts";
import { cancellationOf } from "../../../shared/flow/cancellation.ts";
import { SkerryError, isSkerryError } from "../../../shared/base/errors.ts";
import { bearerOf } from "../../../shared/inference/http/message.ts";
import { readBody, wholeBody } from "../../../shared/inference/http/read-body.ts";
import { parseInferenceHeaders } from "../../../shared/inference/http/request-headers.ts";
import { BODY_MS } from "../../../shared/inference/http/server-options.ts";
import { cascadeOf, decodeAsked, noSuchModel } from "../../../shared/openai/decode-request.ts";
import { openAiErrorResponse } from "../../../shared/openai/errors.ts";
import { type ListedModel, modelDocument, modelsDocument } from "../../../shared/openai/http/model-list.ts";
import type { AskPath } from "../../../shared/openai/http/path.ts";
import { failureEventOf, openAiReply } from "../../../shared/openai/http/reply.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import { wrongKind } from "../../../shared/text/model-kind.ts";
import { DEFAULT_BODY_BYTES, MAX_TEXT_BODY_BYTES } from "../../../shared/protocol/limits.ts";
import type { IncomingMessage } from "node:http";
import type { LocalNode, LocalPlacementView } from "../../ports/serving.ts";
import { errorResponse, jsonResponse, type LocalResponse } from "./response.ts";
import { type Answered, askHere, factsOf, type InferParts, NOBODY } from "./infer.ts";
import { resolvePlacement } from "./resolve-placement.ts";

/** The OpenAI API for the models of texts that this node holds. */

const TENANT_LENGTH = 22;
/** The node asks nobody else, so that it answers with the control plane away as it does with it. */
const NO_CASCADE = { rule: "header", closed: "local" } as const;

/** What a request may name: ready models of texts and their aliases. When a version was published, only the control plane knows. */
export function textModels(node: LocalNode): LocalResponse {
  return jsonResponse({ body: modelsDocument(listed(node)) });
}

/** Throws NOT_FOUND. */
export function textModel(node: LocalNode, id: string): LocalResponse {
  const found = listed(node).find((each) => each.id === id);
  if (found === undefined) throw noSuchModel(id);
  return jsonResponse({ body: modelDocument(found) });
}

function listed(node: LocalNode): readonly ListedModel[] {
  const ready = node.placements().filter(({ state, asks = "tensors" }) => state === "ready" && asks !== "tensors");
  const ids = ready.flatMap(({ model, aliases }) => [model, ...aliases.map((alias) => `${model}:${alias}`)]);
  return [...new Set(ids)].toSorted().map((id) => ({ id, created: 0 }));
}

/** One request for text or embeddings at the node itself: same admission, queue and deadline as one that came through the control plane. */
export async function askText(path: AskPath, request: IncomingMessage, parts: InferParts): Promise<Answered> {
  let placement: LocalPlacementView | undefined;
  const { bodies, maxBodyBytes = DEFAULT_BODY_BYTES, clock, response } = parts;
  const startedAt = clock.now();
  const { take, leave } = bodies.enter();
  try {
    const headers = parseInferenceHeaders(request.headers);
    const wantsLarge = cascadeOf(request.headers) === "large";
    const maxBytes = Math.min(maxBodyBytes, MAX_TEXT_BODY_BYTES);
    const body = wholeBody(await readBody(request, { maxBytes, withinMs: BODY_MS, clock, take }));
    const decoded = decodeAsked(path, body, tenantOf(request));
    release(body);
    placement = resolvePlacement(decoded.target, parts.node.placements());
    const { asks = "tensors", model } = placement;
    if (asks !== decoded.asks) throw new SkerryError("INVALID_REQUEST", wrongKind(model, asks, decoded.asks));
    const asked = {
      ...headers,
      body: own(decoded.question),
      headerLength: JSON_BODY,
      startedAt,
      traceparent: request.headers["traceparent"],
      cancellation: cancellationOf(response),
    };
    const answer = await askHere(placement, asked, parts);
    const { facts: found, timing, code } = factsOf(answer, placement);
    const facts = wantsLarge ? { ...found, route: { ...found.route, cascade: NO_CASCADE } } : found;
    const reply = openAiReply({ facts, timing, body: answer.body }, decoded);
    return {
      reply: { ...reply, failureOf: decoded.streams ? failureEventOf(decoded.form) : cut },
      model: placement.model,
      code: code ?? "OK",
    };
  } catch (thrown) {
    if (response.destroyed) return { reply: NOBODY, model: placement?.model, code: "CANCELLED" };
    if (!isSkerryError(thrown)) throw thrown;
    const reply = path.kind === "generate" ? errorResponse(thrown) : openAiErrorReply(thrown);
    return { reply, model: placement?.model, code: thrown.code };
  } finally {
    leave();
  }
}

/** Who asks, where keys are asked for: one key is one tenant. On loopback all programs of the machine are one. */
function tenantOf({ headers }: IncomingMessage): string {
  const key = bearerOf(headers.authorization);
  return key === undefined ? "local" : createHash("sha256").update(key).digest("base64url").slice(0, TENANT_LENGTH);
}

/** A whole answer that is not whole has no way to say so but a cut connection. */
const cut = (): undefined => undefined;

/** An error in the form that clients of this API read. */
export const openAiErrorReply = (error: SkerryError, headers: Readonly<Record<string, string>> = {}): LocalResponse => {
  const answer = openAiErrorResponse(error);
  return jsonResponse({ status: answer.status, body: answer.body, headers: { ...answer.headers, ...headers } });
};
