import { ERRORS, type ErrorCode } from "../../base/errors.ts";
import { own, type OwnedBytes } from "../../bytes/owned-bytes.ts";
import type { ResponseStream, StreamEnd } from "../../inference/response-stream.ts";
import { type InferenceFacts, inferenceHeaders } from "../../inference/http/response-headers.ts";
import { messageOfBody, openAiError } from "../errors.ts";
import type { DecodedRequest } from "../decode-request.ts";
import type { AnswerForm } from "./path.ts";

/** As OpenAI sends it. */
const EVENTS_TYPE = "text/event-stream; charset=utf-8";
const encoder = new TextEncoder();

interface Answer<Trailer> {
  readonly facts: InferenceFacts;
  readonly timing: Parameters<typeof inferenceHeaders>[1];
  readonly body: OwnedBytes | ResponseStream<Trailer>;
}

/** Status, headers (names and values in turn) and body of an answer, refusals included. */
export function openAiReply<Trailer>(
  { facts, timing, body }: Answer<Trailer>,
  { streams, ignored, form }: Pick<DecodedRequest, "streams" | "ignored" | "form">,
): { readonly status: number; readonly headers: string[]; readonly body: OwnedBytes | ResponseStream<Trailer> } {
  const { status, code } = facts;
  const [, type = "", ...rest] = inferenceHeaders(facts, timing);
  const headers = ["Content-Type", code === undefined && streams ? EVENTS_TYPE : type, ...rest];
  if (ignored.length > 0) headers.push("Skerry-Ignored", ignored.join(", "));
  if (code === undefined) {
    headers.push("Cache-Control", "no-cache", "X-Accel-Buffering", "no");
    return { status, headers, body };
  }
  // The form of `/v2` is the one in which nodes refuse.
  if (form === "generate" && body instanceof Uint8Array) return { status, headers, body };
  const message = body instanceof Uint8Array ? messageOfBody(body) : "the answer is not whole";
  if (!(body instanceof Uint8Array)) body.cancel();
  return { status, headers, body: own(encoder.encode(JSON.stringify(openAiError(code, message)))) };
}

/** The last event of a stream whose model could not go on: its reader must not take it for whole. */
export const failureEventOf =
  (form: AnswerForm) =>
  (end: StreamEnd<unknown>): Uint8Array | undefined => {
    if (end.kind !== "failed") return undefined;
    const code = isKnown(end.code) ? end.code : "INTERNAL";
    const message = `${end.detail}. ${ERRORS[code].fix}`;
    const body = form === "generate" ? { error: message } : openAiError(code, message);
    return encoder.encode(`data: ${JSON.stringify(body)}\n\n`);
  };

const isKnown = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);
