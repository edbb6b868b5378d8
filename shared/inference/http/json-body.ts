import type { Clock } from "../../base/clock.ts";
import { SkerryError } from "../../base/errors.ts";
import { invalidFields } from "../../base/invalid-fields.ts";
import { textCauses } from "../../base/plain-text.ts";
import { jsonComplaint } from "./json-guard.ts";
import type { HttpRequest } from "./message.ts";
import { readBody } from "./read-body.ts";
import { JSON_TYPE, mediaTypeOf, refuseMediaType } from "./request-headers.ts";

export interface JsonBounds {
  readonly jsonBytes: number;
  readonly jsonDepth: number;
  /** Until the body is complete, in ms. */
  readonly bodyMs: number;
}

export const JSON_BOUNDS = { jsonBytes: 262_144, jsonDepth: 32 } as const;

/**
 * The body as JSON; `{}` when there is none at all. Throws `UNSUPPORTED_MEDIA_TYPE`, `TOO_LARGE`, `INVALID_REQUEST`.
 * Under the inference protocol each type that plain clients send is read as JSON, and none, too. The admin API takes nothing
 * but JSON by name: a browser sends that to another origin only when it has asked for permission.
 */
export async function readJson(
  request: HttpRequest,
  { limits, clock, isInferenceProtocol }: { limits: JsonBounds; clock: Clock; isInferenceProtocol: boolean },
): Promise<unknown> {
  if (isInferenceProtocol) refuseMediaType(request.headers);
  else if (hasBody(request)) refuseOtherThanJson(mediaTypeOf(request.headers));
  const { pieces, length } = await readBody(request, { maxBytes: limits.jsonBytes, withinMs: limits.bodyMs, clock });
  if (length === 0) return {};
  const text = textOf(Buffer.concat(pieces, length));
  const complaint = jsonComplaint(text, limits.jsonDepth);
  if (complaint !== undefined) throw invalidFields("body", [{ field: "", message: complaint }]);
  const value = valueOf(text);
  // Under the inference protocol nothing of such a body is kept.
  const causes = isInferenceProtocol ? [] : textCauses(value);
  if (causes.length > 0) throw invalidFields("body", causes);
  return value;
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalidFields("body", [{ field: "", message: "is not UTF-8" }]);
  }
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidFields("body", [{ field: "", message: "is not valid JSON" }]);
  }
}

function refuseOtherThanJson(type: string): void {
  if (type === JSON_TYPE) return;
  throw new SkerryError(
    "UNSUPPORTED_MEDIA_TYPE",
    `the body is ${type === "" ? "of no stated type" : type.slice(0, 64)}; this path takes JSON: send the header Content-Type: ${JSON_TYPE}`,
  );
}

const hasBody = ({ headers }: HttpRequest): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
