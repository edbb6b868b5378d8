import type { IncomingMessage } from "node:http";
import { withoutControls } from "../../../shared/base/plain-text.ts";
import { ERRORS, type ErrorCode } from "../../../shared/base/errors.ts";
import { errorBody } from "../../../shared/inference/response.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import type { HostResponse } from "../../ports/model-hosts.ts";
import { readAnswer } from "./read-answer.ts";

const MAX_WORDS = 300;
/** Of an error's body: enough for its words. */
const MAX_ERROR_BYTES = 65_536;
const ERROR_MS = 5_000;

/** What engines say of a prompt that is too long: llama.cpp, vLLM, SGLang, TGI. */
const TOO_LONG =
  /context (?:length|size|window)|maximum context|exceed_context_size|`?inputs`? tokens|too many (?:input )?tokens/i;

/** An answer of the agent itself. `isBeforeRun`: the engine has not run it. */
export function refusal(
  code: ErrorCode,
  detail: string,
  { isBeforeRun = false, computeUs = 0 }: { readonly isBeforeRun?: boolean; readonly computeUs?: number } = {},
): HostResponse {
  return {
    // In a frame 404 says that this placement is not ready, whatever the model is elsewhere.
    status: code === "MODEL_NOT_READY" ? 404 : ERRORS[code].status,
    code,
    headerLength: JSON_BODY,
    body: errorBody(detail),
    computeUs,
    decodeUs: 0,
    encodeUs: 0,
    batchSize: 1,
    ...(isBeforeRun && { isBeforeRun }),
  };
}

/** What an error of an engine means for the caller. `body`: the beginning of it. */
function refusalOf(status: number, body: string, engine: string): HostResponse {
  const words = wordsOf(body);
  const said = words === "" ? `status ${status}` : words;
  if (status === 429) return refusal("QUEUE_FULL", `the ${engine} takes no more requests now: ${said}`, BEFORE);
  if (status === 502 || status === 503)
    return refusal("MODEL_NOT_READY", `the ${engine} is not ready: ${said}`, BEFORE);
  if (status === 408 || status === 504) return refusal("DEADLINE_EXCEEDED", `the ${engine} was too slow: ${said}`);
  if (status === 413) return refusal("TOO_LARGE", `the ${engine} refuses the request: ${said}`);
  if (refusesKey(status)) return refusal("RUN_FAILED", keyRefused(status, engine));
  if (status === 501) return refusal("NOT_SERVED", `the ${engine} does not serve that: ${said}`);
  if (status >= 400 && status < 500)
    return refusal(TOO_LONG.test(words) ? "CONTEXT_TOO_LONG" : "INVALID_REQUEST", said);
  return refusal("RUN_FAILED", `the ${engine} failed: ${said}`);
}

const BEFORE = { isBeforeRun: true } as const;

export const refusesKey = (status: number | undefined): boolean => status === 401 || status === 403;

/** Without what the engine says of it, which may repeat the key. */
export const keyRefused = (status: number | undefined, engine: string): string =>
  `the ${engine} refuses the key of the node (status ${status}): see key-file of its engine`;

/** Reads what an error says, and makes it one of Skerry's. */
export async function errorOf(response: IncomingMessage, close: () => void, engine: string): Promise<HostResponse> {
  const status = response.statusCode ?? 500;
  const bounds = { maxBytes: MAX_ERROR_BYTES, withinMs: ERROR_MS, close, engine };
  const body = await readAnswer(response, bounds).then(
    (bytes) => new TextDecoder().decode(bytes),
    () => "", // its status says enough
  );
  return refusalOf(status, body, engine);
}

/** The code and the words of an error within a stream that had begun. */
export function streamFault(error: unknown, engine: string): { readonly code: ErrorCode; readonly detail: string } {
  const words = cut(messageIn(error));
  return { code: TOO_LONG.test(words) ? "CONTEXT_TOO_LONG" : "RUN_FAILED", detail: `the ${engine} failed: ${words}` };
}

/** OpenAI's `{"error": {"message"}}`, the Open Inference Protocol's `{"error": "…"}`, FastAPI's `{"detail"}`, or plain text. */
export function wordsOf(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    return cut(messageIn(value));
  } catch {
    return cut(body);
  }
}

function messageIn(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return "";
  for (const name of ["error", "message", "detail", "msg"] as const) {
    const inner: unknown = Reflect.get(value, name);
    if (inner !== undefined && inner !== null) return messageIn(inner);
  }
  return JSON.stringify(value);
}

const cut = (text: string): string =>
  withoutControls(text).replaceAll(/\s+/g, " ").trim().slice(0, MAX_WORDS).toWellFormed();
